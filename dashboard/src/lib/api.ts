import { auth } from "./auth";
import { apiUrl } from "./base";
import type { DeadGroup, Schedule, Snapshot, TaskPage, TaskRow } from "./types";
import { ExactNumber, parseExact, writeExact, type Exact } from "./exact";

const TIMEOUT_MS = 15_000;

/** What the API said instead of an answer: an RFC 9457 problem, or that it could not be reached. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly errors: { path: string; message: string }[] = [],
  ) {
    super(detail || title);
  }
}

async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(apiUrl(path), {
      ...init,
      credentials: "same-origin",
      cache: "no-store",
      signal: init.signal ?? AbortSignal.timeout(TIMEOUT_MS),
      headers: { ...auth.headers(), ...(init.headers as Record<string, string> | undefined) },
    });
  } catch {
    throw new ApiProblem(0, "unreachable", "The API cannot be reached", "Is it running? It is tried again.");
  }
  if (response.ok) {
    if (path !== "health") auth.accepted();
    return response;
  }
  throw await problemOf(response);
}

async function problemOf(response: Response): Promise<ApiProblem> {
  if (response.status === 401) auth.refused();
  const text = await response.text();
  try {
    const said = JSON.parse(text) as Partial<ApiProblem> & { code?: string };
    return new ApiProblem(
      response.status,
      said.code ?? "unknown",
      said.title ?? response.statusText,
      said.detail ?? "",
      said.errors ?? [],
    );
  } catch {
    return new ApiProblem(response.status, "unknown", `HTTP ${response.status}`, response.statusText);
  }
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return (await (await send(path, init)).json()) as T;
}

function body(method: string, value: string): RequestInit {
  return { method, body: value, headers: { "Content-Type": "application/json" } };
}

/** A task with payload and result to the digit. */
export interface TaskDetail {
  task: TaskRow;
  payload: Exact;
  result: Exact;
  raw: string;
}

export interface ListFilter {
  state?: string;
  type?: string;
}

export const api = {
  snapshot: () => json<Snapshot>("api/v1/dashboard/snapshot"),
  dead: () => json<{ groups: DeadGroup[]; counted: number; total: number }>("api/v1/dashboard/dead"),
  schedules: async () => (await json<{ schedules: Schedule[] }>("api/v1/dashboard/schedules")).schedules,
  health: () => json<{ status: string; redis: string; workers: number | null }>("health"),
  metrics: async () => (await send("metrics")).text(),

  tasks(filter: ListFilter, cursor: string | null, limit: number): Promise<TaskPage> {
    const query = new URLSearchParams({ limit: String(limit), include: "error" });
    if (filter.state) query.set("state", filter.state);
    if (filter.type) query.set("type", filter.type);
    if (cursor) query.set("cursor", cursor);
    return json<TaskPage>(`api/v1/tasks?${query}`);
  },

  async task(id: string): Promise<TaskDetail> {
    const text = await (await send(`api/v1/tasks/${encodeURIComponent(id)}`)).text();
    const exact = parseExact(text) as Map<string, Exact>;
    return {
      task: JSON.parse(text) as TaskRow,
      payload: exact.get("payload") ?? null,
      result: exact.get("result") ?? null,
      raw: writeExact(exact),
    };
  },

  cancel: (id: string) =>
    json<{ cancelled: boolean; state: string }>(`api/v1/tasks/${id}`, { method: "DELETE" }),

  requeue: (id: string, wish: string) =>
    json<{ requeued: boolean }>(`api/v1/dashboard/tasks/${id}/requeue`, {
      method: "POST",
      headers: { "Idempotency-Key": wish },
    }),

  submit: (document: string, wish: string) =>
    json<{ task_id: string; state: string }>("api/v1/tasks", {
      ...body("POST", document),
      headers: { "Content-Type": "application/json", "Idempotency-Key": wish },
    }),

  /** Log in by a session where the API has them, else with the key in memory. */
  async logIn(key: string): Promise<void> {
    auth.keep(null);
    try {
      await send("api/v1/session", body("POST", JSON.stringify({ key })));
      return;
    } catch (error) {
      if (!(error instanceof ApiProblem) || ![404, 405].includes(error.status)) throw error;
    }
    auth.keep(key);
    try {
      await api.snapshot();
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) auth.keep(null);
      throw error;
    }
  },

  async logOut(): Promise<void> {
    try {
      if (!auth.isInMemory) await send("api/v1/session", { method: "DELETE" });
    } finally {
      auth.forget();
    }
  },
};

/** A name for one wish: repeated with the same, the API does it once. */
export function newWish(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** As text for a form. */
export function textOf(value: Exact): string {
  return value instanceof ExactNumber ? value.text : writeExact(value);
}
