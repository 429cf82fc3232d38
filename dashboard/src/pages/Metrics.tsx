import { Chart } from "../components/Chart";
import { Empty, Skeleton } from "../components/Notice";
import { useLive } from "../lib/live";
import { rateOf, rates } from "../lib/series";

const MOST_TYPES = 6;

/** Lines over time, from the counters, since this page was opened. */
export function Metrics() {
  const { snapshot, samples } = useLive();
  if (!snapshot) return <Skeleton rows={12} />;
  const times = samples.map((sample) => sample.t);
  const last = samples.at(-1);
  const types = Object.keys(last?.settledByType ?? {})
    .sort((a, b) => (last?.settledByType[b] ?? 0) - (last?.settledByType[a] ?? 0))
    .slice(0, MOST_TYPES);
  const byType = (type: string) =>
    samples.map((_, at) => rateOf(samples.slice(Math.max(0, at - 8), at + 1), (s) => s.settledByType[type] ?? 0, 6));
  return (
    <>
      <div className="page-head">
        <h1>Metrics</h1>
        <p className="muted">
          Read every 2 s since this page was opened, at most a quarter of an hour. Longer ones: <code>/metrics</code> for Prometheus.
        </p>
      </div>
      <div className="columns">
        <Chart
          title="Outcomes"
          unit="a second"
          times={times}
          lines={[
            { label: "completed", color: "--series-2", values: rates(samples, "completed"), fill: true },
            { label: "failed", color: "--series-3", values: rates(samples, "retried") },
            { label: "dead", color: "--series-4", values: rates(samples, "dead") },
            { label: "cancelled", color: "--series-5", values: rates(samples, "cancelled") },
          ]}
        />
        <Chart
          title="In and out"
          unit="a second"
          times={times}
          lines={[
            { label: "submitted", color: "--series-1", values: rates(samples, "submitted") },
            { label: "settled", color: "--series-2", values: rates(samples, "settled") },
          ]}
        />
        <Chart
          title="Standing"
          unit="tasks"
          times={times}
          lines={[
            { label: "waiting", color: "--series-1", values: samples.map((s) => s.depth), fill: true },
            { label: "running", color: "--series-3", values: samples.map((s) => s.running) },
          ]}
        />
        {types.length ? (
          <Chart
            title="By type"
            unit={`runs a second, the ${types.length} most frequent`}
            times={times}
            lines={types.map((type, at) => ({ label: type, color: `--series-${at + 1}`, values: byType(type) }))}
          />
        ) : (
          <section className="card">
            <Empty title="No task has run yet" />
          </section>
        )}
      </div>
    </>
  );
}
