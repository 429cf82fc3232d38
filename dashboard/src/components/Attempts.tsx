import { duration } from "../lib/format";
import { useNow } from "../lib/now";
import type { TaskRow } from "../lib/types";
import { Time } from "./Time";

const TONES: Record<string, string> = { completed: "good", failed: "bad", timeout: "bad", cancelled: "off" };

/** Every run on one axis of time, and the same in words. */
export function Attempts({ task }: { task: TaskRow }) {
  const now = useNow(500);
  const history = (task.history ?? []).filter((one) => one.started_at);
  const running = task.state === "RUNNING" && task.started_at;
  const rows = [
    ...history.map((one) => ({ ...one, started: Date.parse(one.started_at ?? ""), tone: TONES[one.outcome] ?? "warn" })),
    ...(running
      ? [{
          number: task.attempts + 1,
          worker_id: task.worker_id ?? "",
          started_at: task.started_at,
          started: Date.parse(task.started_at ?? ""),
          duration: Math.max(0, (now - Date.parse(task.started_at ?? "")) / 1000),
          outcome: "running",
          error: null,
          tone: "live",
        }]
      : []),
  ];
  const others = (task.history ?? []).filter((one) => !one.started_at);
  if (!rows.length && !others.length) return <p className="muted">It has not run yet.</p>;
  const begin = Date.parse(task.created_at);
  const end = Math.max(begin + 1, ...rows.map((row) => row.started + row.duration * 1000));
  const span = end - begin;
  return (
    <>
      {rows.length > 0 && (
        <svg className="gantt" viewBox={`0 0 1000 ${rows.length * 22 + 16}`} preserveAspectRatio="none" aria-hidden>
          <line x1="0" x2="1000" y1={rows.length * 22 + 4} y2={rows.length * 22 + 4} />
          {rows.map((row, at) => {
            const left = Math.min(994, (Math.max(0, row.started - begin) / span) * 1000);
            const width = Math.max(6, ((row.duration * 1000) / span) * 1000);
            return <rect key={at} className={`run-${row.tone}`} x={left} y={at * 22 + 3} width={Math.min(width, 1000 - left)} height="16" rx="3" />;
          })}
        </svg>
      )}
      {rows.length > 0 && (
        <p className="axis muted" aria-hidden>
          <span>submitted</span>
          <span>{duration(span / 1000)} later</span>
        </p>
      )}
      <div className="scroll">
        <table className="table">
          <thead>
            <tr>
              <th scope="col" className="num">#</th>
              <th scope="col">Outcome</th>
              <th scope="col">Started</th>
              <th scope="col" className="num">Ran</th>
              <th scope="col">Worker</th>
              <th scope="col">Error</th>
            </tr>
          </thead>
          <tbody>
            {[...rows, ...others.map((one) => ({ ...one, tone: "off" }))].map((row, at) => (
              <tr key={at}>
                <td className="num">{row.number}</td>
                <td>
                  <span className={`outcome tone-${row.tone}`}>{row.outcome}</span>
                </td>
                <td>
                  <Time at={row.started_at} />
                </td>
                <td className="num">{duration(row.duration)}</td>
                <td>
                  <code>{row.worker_id}</code>
                </td>
                <td className="clip">{row.error}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
