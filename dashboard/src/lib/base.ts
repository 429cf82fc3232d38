/** Where the dashboard's root is. The page's <base> says it, so any path prefix works. */
export const ROOT = new URL(document.baseURI);

/** What the router takes away from every path; "" at the root of a host. */
export const ROUTER_BASE = ROOT.pathname.replace(/\/$/, "");

/** The absolute address of an API path such as "api/v1/tasks". */
export function apiUrl(path: string): string {
  return new URL(path, ROOT).href;
}
