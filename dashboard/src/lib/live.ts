import { useSyncExternalStore } from "react";
import { api, ApiProblem } from "./api";
import { append, sampleOf, type Sample } from "./series";
import type { Snapshot } from "./types";

/** How it stands between this page and the API. */
export type Link =
  | { kind: "connecting" }
  | { kind: "polling"; everyMs: number }
  | { kind: "paused"; since: number }
  | { kind: "retrying"; at: number; attempt: number; why: string }
  | { kind: "redis"; since: number; at: number };

export interface Live {
  snapshot: Snapshot | null;
  samples: readonly Sample[];
  link: Link;
  /** When the snapshot came, by this browser's clock in ms. */
  cameAt: number;
  /** The API's clock minus this browser's, in ms. */
  skewMs: number;
}

/**
 * Where snapshots come from. Whoever can push them (a WebSocket) is another of these, and is asked
 * first; reading every few seconds is what always works.
 */
export interface Source {
  /** Begin; the function that is returned ends it. */
  start(emit: (snapshot: Snapshot) => void, tell: (link: Link) => void): () => void;
}

export const POLL_MS = 2000;
const MOST_RETRY_MS = 30_000;

export const polling: Source = {
  start(emit, tell) {
    let timer = 0;
    let stopped = false;
    let attempt = 0;
    let redisSince = 0;

    function later(delayMs: number): void {
      if (!stopped) timer = window.setTimeout(() => void look(), delayMs);
    }
    async function look(): Promise<void> {
      if (document.hidden) return; // it goes on when the page is seen again
      try {
        const snapshot = await api.snapshot();
        if (stopped) return;
        attempt = redisSince = 0;
        emit(snapshot);
        tell({ kind: "polling", everyMs: POLL_MS });
        later(POLL_MS);
      } catch (error) {
        if (stopped || !(error instanceof ApiProblem)) return;
        if (error.status === 401 || error.status === 403) return; // logging in starts it again
        attempt += 1;
        // Half of it by chance, so that many dashboards do not come back at once.
        const most = Math.min(MOST_RETRY_MS, 1000 * 2 ** Math.min(attempt, 5));
        const delayMs = most / 2 + (most / 2) * Math.random();
        const at = Date.now() + delayMs;
        if (error.code === "broker_unavailable") {
          redisSince ||= Date.now();
          tell({ kind: "redis", since: redisSince, at });
        } else tell({ kind: "retrying", at, attempt, why: error.title });
        later(delayMs);
      }
    }
    function again(): void {
      if (document.hidden || stopped) return;
      window.clearTimeout(timer);
      void look();
    }
    document.addEventListener("visibilitychange", again);
    window.addEventListener("online", again);
    void look();
    return () => {
      stopped = true;
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", again);
      window.removeEventListener("online", again);
    };
  },
};

let state: Live = {
  snapshot: null,
  samples: [],
  link: { kind: "connecting" },
  cameAt: 0,
  skewMs: 0,
};
const listeners = new Set<() => void>();
let stop: (() => void) | null = null;

function set(change: Partial<Live>): void {
  state = { ...state, ...change };
  for (const listener of listeners) listener();
}

function take(snapshot: Snapshot): void {
  const cameAt = Date.now();
  set({
    snapshot,
    samples: append(state.samples, sampleOf(snapshot)),
    cameAt,
    skewMs: Date.parse(snapshot.now) - cameAt,
  });
}

export const live = {
  start(source: Source = polling): void {
    stop?.();
    stop = source.start(take, (link) => set({ link }));
  },
  stop(): void {
    stop?.();
    stop = null;
  },
  /** Pause everything that updates by itself, or go on. */
  toggle(): void {
    if (state.link.kind === "paused") {
      set({ link: { kind: "connecting" } });
      live.start();
    } else {
      live.stop();
      set({ link: { kind: "paused", since: Date.now() } });
    }
  },
  forget(): void {
    live.stop();
    set({ snapshot: null, samples: [], link: { kind: "connecting" } });
  },
};

export function useLive(): Live {
  return useSyncExternalStore(
    (listener) => (listeners.add(listener), () => listeners.delete(listener)),
    () => state,
  );
}

/** How often lists read themselves anew; false while paused. */
export function useEvery(ms: number): number | false {
  const { link } = useLive();
  return link.kind === "paused" ? false : ms;
}
