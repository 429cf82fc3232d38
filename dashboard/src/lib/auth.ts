import { useSyncExternalStore } from "react";

/**
 * Who is logged in. Where the API has sessions the browser holds an HttpOnly cookie that no script
 * sees; where it has none the key stays in this page's memory alone, and is gone with it.
 */
export type Standing = "unknown" | "in" | "out" | "expired";

let key: string | null = null;
let standing: Standing = "unknown";
const listeners = new Set<() => void>();

function tell(next: Standing): void {
  if (standing === next) return;
  standing = next;
  for (const listener of listeners) listener();
}

export const auth = {
  headers(): Record<string, string> {
    return key === null ? {} : { "X-API-Key": key };
  },
  keep(value: string | null): void {
    key = value;
  },
  accepted(): void {
    tell("in");
  },
  refused(): void {
    tell(standing === "in" || standing === "expired" ? "expired" : "out");
  },
  forget(): void {
    key = null;
    tell("out");
  },
  get isInMemory(): boolean {
    return key !== null;
  },
};

export function useStanding(): Standing {
  return useSyncExternalStore(
    (listener) => (listeners.add(listener), () => listeners.delete(listener)),
    () => standing,
  );
}
