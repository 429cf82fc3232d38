import type { ReactNode } from "react";
import { Link } from "wouter";
import { Chart } from "../components/Chart";
import { Empty, Skeleton } from "../components/Notice";
import { Tile } from "../components/Tile";
import { Attention } from "./Attention";
import { duration, percent, rate, short, whole } from "../lib/format";
import { useLive } from "../lib/live";
import { rateOf, rates, type Sample } from "../lib/series";
import { PRIORITIES, STATES, type Snapshot } from "../lib/types";
import { StateBadge } from "../components/StateBadge";

/** Is it well, does it keep up, what fails, what to do: on one screen. */
export function Overview() {
  const { snapshot, samples } = useLive();
  if (!snapshot) return <Skeleton rows={10} />;
  const times = samples.map((sample) => sample.t);
  const line = (counter: Parameters<typeof rates>[1]) => rates(samples, counter);
  return (
    <>
      <h1 className="sr-only">Overview</h1>
      <Tiles snapshot={snapshot} samples={samples} />
      <Attention snapshot={snapshot} samples={samples} />
      <ul className="states" aria-label="Tasks by state">
        {STATES.map((state) => (
          <li key={state}>
            <Link href={`/tasks?q=state:${state.toLowerCase()}`}>
              <StateBadge state={state} />
              <b className="num">{whole(snapshot.states[state])}</b>
            </Link>
          </li>
        ))}
      </ul>
      <div className="columns wide-left">
        <Chart
          title="Tasks"
          unit="a second, since this page was opened"
          times={times}
          lines={[
            { label: "submitted", color: "--series-1", values: line("submitted") },
            { label: "completed", color: "--series-2", values: line("completed"), fill: true },
            { label: "failed", color: "--series-3", values: line("retried") },
            { label: "dead", color: "--series-4", values: line("dead") },
          ]}
        />
        <Lanes snapshot={snapshot} samples={samples} />
      </div>
      <Types snapshot={snapshot} samples={samples} />
    </>
  );
}

function Tiles({ snapshot, samples }: { snapshot: Snapshot; samples: readonly Sample[] }) {
  const done = rateOf(samples, (s) => s.settled);
  const submitted = rateOf(samples, (s) => s.submitted);
  const failed = rateOf(samples, (s) => s.retried + s.dead);
  const depth = snapshot.queues.reduce((sum, row) => sum + row.depth, 0);
  const slots = snapshot.workers.reduce((sum, worker) => sum + worker.concurrency, 0);
  const busy = snapshot.workers.reduce((sum, worker) => sum + worker.current_tasks, 0);
  const oldest = Math.max(0, ...snapshot.queues.map((row) => row.oldest_age));
  const share = done ? (failed ?? 0) / done : 0;
  return (
    <div className="tiles">
      <Tile
        label="Throughput"
        value={done === null ? "–" : `${rate(done)}/s`}
        hint={submitted === null ? "reading …" : `${rate(submitted)}/s submitted`}
        line={rates(samples, "settled")}
      />
      <Tile label="Backlog" value={short(depth)} hint={drain(depth, done, submitted)} line={samples.map((s) => s.depth)} />
      <Tile
        label="Oldest waiting"
        value={depth ? duration(oldest) : "none"}
        hint={depth ? "ready to run, not taken yet" : "nothing waits"}
        tone={oldest > 60 ? "warn" : undefined}
      />
      <Tile
        label="Failing"
        value={done === null ? "–" : percent(share)}
        hint={`${rate(failed ?? 0)}/s failed or dead`}
        tone={share > 0.05 ? "warn" : undefined}
        line={rates(samples, "retried")}
      />
      <Tile
        label="Workers"
        value={whole(snapshot.workers.length)}
        hint={`${whole(busy)} of ${whole(slots)} slots busy`}
        tone={snapshot.workers.length ? undefined : "bad"}
        line={samples.map((s) => s.running)}
      />
      <Tile
        label="Dead letters"
        value={short(snapshot.states.DEAD)}
        hint={snapshot.states.DEAD ? <Link href="/dead">what they died of</Link> : "none"}
        tone={snapshot.states.DEAD ? "bad" : undefined}
      />
    </div>
  );
}

function drain(depth: number, done: number | null, submitted: number | null): ReactNode {
  if (!depth) return "it keeps up";
  if (done === null || submitted === null) return "reading …";
  const net = done - submitted;
  if (net > 0.05) return `empty in ${duration(depth / net)} at this rate`;
  return net < -0.05 ? `growing by ${rate(-net)}/s` : "steady";
}

function Lanes({ snapshot, samples }: { snapshot: Snapshot; samples: readonly Sample[] }) {
  const lanes = PRIORITIES.map((priority) => {
    const rows = snapshot.queues.filter((row) => row.priority === priority);
    return {
      priority,
      depth: rows.reduce((sum, row) => sum + row.depth, 0),
      oldest: Math.max(0, ...rows.map((row) => row.oldest_age)),
      isPaused: rows.length > 0 && rows.every((row) => row.paused),
      change: rateOf(samples, (s) => s.byPriority[priority] ?? 0),
    };
  });
  const most = Math.max(1, ...lanes.map((lane) => lane.depth));
  return (
    <section className="card" aria-label="Priorities">
      <header className="card-head">
        <h2>Priorities</h2>
        <Link href="/queues">queues</Link>
      </header>
      <ul className="lanes">
        {lanes.map((lane) => (
          <li key={lane.priority}>
            <span>{lane.priority}</span>
            <meter min={0} max={most} value={lane.depth} aria-label={`${lane.priority}: ${lane.depth} waiting`} />
            <b className="num">{short(lane.depth)}</b>
            <span className="muted num">{lane.isPaused ? "paused" : lane.depth ? duration(lane.oldest) : ""}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Types({ snapshot, samples }: { snapshot: Snapshot; samples: readonly Sample[] }) {
  const rows = Object.entries(snapshot.types)
    .map(([type, counts]) => ({
      type,
      counts,
      done: rateOf(samples, (s) => s.settledByType[type] ?? 0) ?? 0,
      failed: rateOf(samples, (s) => s.failedByType[type] ?? 0) ?? 0,
    }))
    .sort((a, b) => b.failed - a.failed || b.done - a.done || (b.counts.DEAD ?? 0) - (a.counts.DEAD ?? 0))
    .slice(0, 20);
  return (
    <section className="card" aria-label="Task types">
      <header className="card-head">
        <h2>
          Task types <span className="muted">those that fail first</span>
        </h2>
      </header>
      {rows.length === 0 ? (
        <Empty title="No task has been submitted yet">
          <code>shoal submit demo.echo '{"{}"}'</code> or <Link href="/submit">the form</Link> submits one.
        </Empty>
      ) : (
        <div className="scroll">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Type</th>
                <th scope="col" className="num">Done/s</th>
                <th scope="col" className="num">Failed/s</th>
                <th scope="col" className="num">Waiting</th>
                <th scope="col" className="num">Running</th>
                <th scope="col" className="num">Completed</th>
                <th scope="col" className="num">Dead</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ type, counts, done, failed }) => (
                <tr key={type}>
                  <th scope="row">
                    <Link href={`/tasks?q=${encodeURIComponent(`type:${type}`)}`}>{type}</Link>
                  </th>
                  <td className="num">{rate(done)}</td>
                  <td className={`num${failed ? " tone-warn" : ""}`}>{rate(failed)}</td>
                  <td className="num">{whole((counts.PENDING ?? 0) + (counts.SCHEDULED ?? 0) + (counts.FAILED ?? 0))}</td>
                  <td className="num">{whole(counts.RUNNING ?? 0)}</td>
                  <td className="num">{whole(counts.COMPLETED ?? 0)}</td>
                  <td className={`num${counts.DEAD ? " tone-bad" : ""}`}>{whole(counts.DEAD ?? 0)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
