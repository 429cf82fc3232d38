import { Link } from "wouter";
import { Empty, Skeleton } from "../components/Notice";
import { Sparkline } from "../components/Sparkline";
import { Chart } from "../components/Chart";
import { duration, rate, whole } from "../lib/format";
import { useLive } from "../lib/live";
import { PRIORITIES, type QueueRow } from "../lib/types";
import { useEffect, useRef } from "react";

interface Seen {
  t: number;
  submitted: number;
  settled: number;
  depth: number;
}

/** How each queue stands at each priority. */
export function Queues() {
  const { snapshot, samples } = useLive();
  const seen = useSeen();
  if (!snapshot) return <Skeleton rows={10} />;
  const used = snapshot.queues.filter((row) => row.submitted > 0 || row.depth > 0 || row.paused);
  const rows = [...used].sort(
    (a, b) => PRIORITIES.indexOf(a.priority) - PRIORITIES.indexOf(b.priority) || a.queue.localeCompare(b.queue),
  );
  return (
    <>
      <div className="page-head">
        <h1>Queues</h1>
      </div>
      <Chart
        title="Waiting"
        unit="tasks by priority, since this page was opened"
        times={samples.map((sample) => sample.t)}
        lines={PRIORITIES.map((priority, at) => ({
          label: priority,
          color: `--series-${[4, 3, 1, 5][at]}`,
          values: samples.map((sample) => sample.byPriority[priority] ?? 0),
        }))}
        height={180}
      />
      <section className="card" aria-label="Queues by priority">
        {rows.length === 0 ? (
          <Empty title="No queue has had a task yet" />
        ) : (
          <div className="scroll">
            <table className="table">
              <thead>
                <tr>
                  <th scope="col">Priority</th>
                  <th scope="col">Queue</th>
                  <th scope="col">State</th>
                  <th scope="col" className="num">Waiting</th>
                  <th scope="col">Trend</th>
                  <th scope="col" className="num">Oldest</th>
                  <th scope="col" className="num">In/s</th>
                  <th scope="col" className="num">Out/s</th>
                  <th scope="col" className="num">Handed back</th>
                  <th scope="col" className="num">Apart</th>
                  <th scope="col" className="num">Workers</th>
                </tr>
              </thead>
              <tbody>
                {rows.map((row) => {
                  const past = seen.get(nameOf(row)) ?? [];
                  const workers = snapshot.workers.filter((one) => !one.queues.length || one.queues.includes(row.queue)).length;
                  return (
                    <tr key={nameOf(row)}>
                      <td className={`priority priority-${row.priority.toLowerCase()}`}>{row.priority}</td>
                      <th scope="row">{row.queue}</th>
                      <td>
                        {row.paused ? <span className="outcome tone-warn">paused</span> : <span className="outcome tone-good">open</span>}
                      </td>
                      <td className="num">{whole(row.depth)}</td>
                      <td className="spark-cell">
                        <Sparkline values={past.map((one) => one.depth)} />
                      </td>
                      <td className="num">{row.depth ? duration(row.oldest_age) : "–"}</td>
                      <td className="num">{speed(past, "submitted")}</td>
                      <td className="num">{speed(past, "settled")}</td>
                      <td className="num">{whole(row.returned)}</td>
                      <td className={`num${row.isolated ? " tone-warn" : ""}`}>{whole(row.isolated)}</td>
                      <td className={`num${workers ? "" : " tone-bad"}`}>{workers}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <p className="muted">
        <code>shoal queues pause NAME</code> and <code>shoal queues resume NAME</code> stop and start claims.{" "}
        <Link href="/tasks?q=state:pending">All that wait</Link>
      </p>
    </>
  );
}

function nameOf(row: QueueRow): string {
  return `${row.queue} ${row.priority}`;
}

function speed(past: readonly Seen[], name: "submitted" | "settled"): string {
  const last = past.at(-1);
  const first = past.at(-Math.min(past.length, 6));
  if (!last || !first || last.t <= first.t) return "–";
  return rate(Math.max(0, last[name] - first[name]) / (last.t - first.t));
}

/** What each queue was since this page was opened; at most five minutes. */
function useSeen(): Map<string, Seen[]> {
  const { snapshot } = useLive();
  const kept = useRef(new Map<string, Seen[]>());
  useEffect(() => {
    if (!snapshot) return;
    const t = Date.parse(snapshot.now) / 1000;
    for (const row of snapshot.queues) {
      const past = kept.current.get(nameOf(row)) ?? [];
      if ((past.at(-1)?.t ?? 0) < t)
        kept.current.set(nameOf(row), [
          ...past.slice(-149),
          { t, submitted: row.submitted, settled: row.settled, depth: row.depth },
        ]);
    }
  }, [snapshot]);
  return kept.current;
}
