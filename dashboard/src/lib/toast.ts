import { useSyncExternalStore } from "react";

export interface Toast {
  id: number;
  tone: "good" | "bad";
  text: string;
}

let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

export function dismiss(id: number): void {
  set(toasts.filter((toast) => toast.id !== id));
}

/** Say what became of something; it stays long enough to be read. */
export function say(text: string, tone: Toast["tone"] = "good"): void {
  const id = (last += 1);
  set([...toasts.slice(-3), { id, tone, text }]);
  window.setTimeout(() => dismiss(id), tone === "bad" ? 12_000 : 6_000);
}

export function useToasts(): readonly Toast[] {
  return useSyncExternalStore(
    (listener) => (listeners.add(listener), () => listeners.delete(listener)),
    () => toasts,
  );
}
