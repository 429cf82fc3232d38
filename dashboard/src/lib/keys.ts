import { useEffect } from "react";

/** One key, or two after another ("g t"); what it does, in words. */
export type Bindings = Record<string, () => void>;

const SECOND_MS = 900;

/** The key before the one that is being handled. */
let before = { key: "", at: 0 };
let current = before;

window.addEventListener(
  "keydown",
  (event) => {
    before = current;
    current = { key: event.key, at: event.timeStamp };
  },
  // Before every binding looks.
  { capture: true },
);

function isWriting(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Listen while mounted. Keys typed into fields and open dialogs are theirs. */
export function useKeys(bindings: Bindings): void {
  useEffect(() => {
    function onKey(event: KeyboardEvent): void {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && bindings["mod+k"]) {
        event.preventDefault();
        bindings["mod+k"]();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return;
      if (document.querySelector("dialog[open]")) return;
      const two = event.timeStamp - before.at < SECOND_MS ? `${before.key} ${event.key}` : "";
      const run = bindings[two] ?? bindings[event.key];
      if (!run) return;
      event.preventDefault();
      run();
    }
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [bindings]);
}
