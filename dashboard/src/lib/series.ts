import type { Snapshot } from "./types";

/** One reading of the counters; `t` is the API's clock in seconds. */
export interface Sample {
  t: number;
  submitted: number;
  settled: number;
  completed: number;
  retried: number;
  dead: number;
  cancelled: number;
  depth: number;
  running: number;
  byPriority: Record<string, number>;
  settledByType: Record<string, number>;
  failedByType: Record<string, number>;
}

export type Counter = "submitted" | "settled" | "completed" | "retried" | "dead" | "cancelled";

/** A quarter of an hour at a reading every two seconds. */
const MOST = 450;

export function sampleOf(snapshot: Snapshot): Sample {
  const sums = { submitted: 0, completed: 0, retried: 0, dead: 0, cancelled: 0 };
  const settledByType: Record<string, number> = Object.create(null) as Record<string, number>;
  const failedByType: Record<string, number> = Object.create(null) as Record<string, number>;
  for (const [field, value] of Object.entries(snapshot.stats)) {
    const at = field.indexOf(":");
    if (at < 0 || field.includes("/")) continue;
    const name = field.slice(0, at);
    const type = field.slice(at + 1);
    if (name in sums) sums[name as keyof typeof sums] += value;
    if (name === "completed" || name === "retried" || name === "dead") {
      settledByType[type] = (settledByType[type] ?? 0) + value;
      if (name !== "completed") failedByType[type] = (failedByType[type] ?? 0) + value;
    }
  }
  const byPriority: Record<string, number> = {};
  let settled = 0;
  let depth = 0;
  for (const row of snapshot.queues) {
    settled += row.settled;
    depth += row.depth;
    byPriority[row.priority] = (byPriority[row.priority] ?? 0) + row.depth;
  }
  return {
    t: Date.parse(snapshot.now) / 1000,
    ...sums,
    settled,
    depth,
    running: snapshot.states.RUNNING,
    byPriority,
    settledByType,
    failedByType,
  };
}

/** The readings since this page was opened, oldest first. */
export function append(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples[samples.length - 1];
  if (last && sample.t <= last.t) return samples;
  return [...samples.slice(-(MOST - 1)), sample];
}

/** A rate a second over about the last `window` seconds; `null` before there are two readings. */
export function rateOf(
  samples: readonly Sample[],
  read: (sample: Sample) => number,
  window = 10,
): number | null {
  const last = samples[samples.length - 1];
  if (!last || samples.length < 2) return null;
  let first = samples[samples.length - 2] as Sample;
  for (let at = samples.length - 2; at >= 0; at -= 1) {
    const sample = samples[at] as Sample;
    if (last.t - sample.t > window + 0.5) break;
    first = sample;
  }
  // A counter may fall after a failover: that is no negative rate.
  return Math.max(0, read(last) - read(first)) / (last.t - first.t);
}

/** The same for each reading, over a few before it: a line of a chart. */
export function rates(samples: readonly Sample[], counter: Counter, window = 6): (number | null)[] {
  return samples.map((_, at) => rateOf(samples.slice(Math.max(0, at - 8), at + 1), (s) => s[counter], window));
}
