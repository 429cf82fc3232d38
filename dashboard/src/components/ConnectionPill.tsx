import { useLive, live } from "../lib/live";
import { duration } from "../lib/format";
import { clock } from "../lib/format";
import { useEffect, useState } from "react";
import { usePrefs } from "../lib/prefs";

/** How fresh what is shown is, in words; a click pauses it or goes on. */
export function ConnectionPill() {
  const { link, cameAt } = useLive();
  const { zone } = usePrefs();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 500);
    return () => window.clearInterval(timer);
  }, []);
  const age = cameAt ? duration(Math.round((now - cameAt) / 1000)) : "";
  const wait = (at: number): string => duration(Math.max(1, Math.ceil((at - now) / 1000)));
  const [tone, word] = ((): [string, string] => {
    switch (link.kind) {
      case "connecting":
        return ["wait", "Connecting"];
      case "polling":
        return now - cameAt > 3 * link.everyMs
          ? ["warn", `Stale: ${age} old`]
          : ["good", `Every ${link.everyMs / 1000} s · ${age} old`];
      case "paused":
        return ["paused", `Paused at ${clock(new Date(link.since).toISOString(), zone).slice(0, 8)}`];
      case "retrying":
        return ["warn", `${link.why}: again in ${wait(link.at)} (try ${link.attempt})`];
      case "redis":
        return ["bad", `Redis away since ${clock(new Date(link.since).toISOString(), zone).slice(0, 8)}`];
    }
  })();
  const isPaused = link.kind === "paused";
  return (
    <button
      type="button"
      className={`pill pill-${tone}`}
      aria-pressed={isPaused}
      title={isPaused ? "Go on (p)" : "Pause all updates (p)"}
      onClick={() => live.toggle()}
    >
      <i aria-hidden />
      <span>{word}</span>
    </button>
  );
}
