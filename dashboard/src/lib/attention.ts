import { duration, rate, whole } from "./format";
import { rateOf, type Sample } from "./series";
import type { Snapshot } from "./types";

export interface Finding {
  tone: "warn" | "bad";
  text: string;
  /** Where to look. */
  path: string;
}

/** What an operator should look at now, the worst first. */
export function findings(snapshot: Snapshot, samples: readonly Sample[]): Finding[] {
  const found: Finding[] = [];
  const depth = snapshot.queues.reduce((sum, row) => sum + row.depth, 0);
  const done = rateOf(samples, (s) => s.settled, 30);
  const submitted = rateOf(samples, (s) => s.submitted, 30);
  const dead = rateOf(samples, (s) => s.dead, 60);
  const oldest = (low: boolean): number =>
    Math.max(0, ...snapshot.queues.filter((row) => (row.priority === "LOW") === low && !row.paused).map((row) => row.oldest_age));
  if (!snapshot.workers.length)
    found.push({
      tone: depth ? "bad" : "warn",
      text: depth ? `No worker is alive, and ${whole(depth)} tasks wait. Start one: shoal worker MODULE:APP` : "No worker is alive.",
      path: "/workers",
    });
  else if (depth && done === 0 && Math.max(oldest(true), oldest(false)) > 30)
    found.push({ tone: "bad", text: `${whole(depth)} tasks wait, and none has been run for half a minute.`, path: "/queues" });
  if (dead) found.push({ tone: "bad", text: `Tasks die: ${rate(dead * 60)} a minute.`, path: "/dead" });
  if (depth > 100 && done !== null && submitted !== null && submitted > done * 1.1 && oldest(false) > 10)
    found.push({ tone: "warn", text: `The backlog grows by ${rate(submitted - done)} a second.`, path: "/queues" });
  if (oldest(true) > 900 && oldest(false) < 60)
    found.push({ tone: "warn", text: `LOW has waited for ${duration(oldest(true))} while others go before it.`, path: "/queues" });
  const paused = [...new Set(snapshot.queues.filter((row) => row.paused && row.depth).map((row) => row.queue))];
  if (paused.length)
    found.push({ tone: "warn", text: `Paused with tasks waiting: ${paused.slice(0, 5).join(", ")}.`, path: "/queues" });
  const isolated = snapshot.queues.reduce((sum, row) => sum + row.isolated, 0);
  if (isolated)
    found.push({ tone: "warn", text: `${isolated === 1 ? "1 task waits" : `${whole(isolated)} tasks wait`} apart, suspected of killing its worker.`, path: "/queues" });
  const versions = [...new Set(snapshot.workers.map((worker) => worker.version))];
  if (versions.length > 1)
    found.push({ tone: "warn", text: `Workers of ${versions.length} versions run: ${versions.join(", ")}.`, path: "/workers" });
  return found;
}
