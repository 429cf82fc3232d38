import { clock, duration } from "../lib/format";
import { useNow } from "../lib/now";
import { usePrefs } from "../lib/prefs";

/** A moment in the chosen zone; its title is always ISO 8601 in UTC. */
export function Time({ at }: { at: string | null | undefined }) {
  const { zone } = usePrefs();
  if (!at) return <span className="muted">–</span>;
  return (
    <time dateTime={at} title={at}>
      {clock(at, zone)}
    </time>
  );
}

/** How long ago, or in how long; it moves. */
export function Age({ at }: { at: string | null | undefined }) {
  const now = useNow();
  if (!at) return <span className="muted">–</span>;
  const seconds = (now - Date.parse(at)) / 1000;
  return (
    <time dateTime={at} title={at}>
      {seconds < -1 ? `in ${duration(-seconds)}` : seconds < 1 ? "now" : `${duration(seconds)} ago`}
    </time>
  );
}

/** How long something has been going on; it moves while it does. */
export function Elapsed({ since, until }: { since: string; until?: string | null }) {
  const now = useNow(500);
  const end = until ? Date.parse(until) : now;
  return <span className="num">{duration((end - Date.parse(since)) / 1000)}</span>;
}
