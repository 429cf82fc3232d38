import { ChartLine, Table } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock, rate } from "../lib/format";
import { usePrefs } from "../lib/prefs";

export interface Line {
  label: string;
  /** A token of the theme, such as "--state-completed". */
  color: string;
  values: readonly (number | null)[];
  fill?: boolean;
}

interface Props {
  title: string;
  unit: string;
  /** Seconds since 1970. */
  times: readonly number[];
  lines: readonly Line[];
  height?: number;
}

function timeOf(seconds: number, zone: "local" | "UTC"): string {
  const at = new Date(seconds * 1000).toISOString();
  return clock(at, zone, seconds * 1000).slice(0, 8);
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Lines over time, and the same as a table for who cannot see lines or wants the numbers. */
export function Chart({ title, unit, times, lines, height = 220 }: Props) {
  const [asTable, setAsTable] = useState(false);
  return (
    <section className="card" aria-label={title}>
      <header className="card-head">
        <h2>
          {title} <span className="muted">{unit}</span>
        </h2>
        <ul className="legend">
          {lines.map((line) => (
            <li key={line.label}>
              <i className={`swatch swatch${line.color}`} aria-hidden /> {line.label}{" "}
              <b className="num">{rate(line.values.at(-1) ?? 0)}</b>
            </li>
          ))}
        </ul>
        <button
          type="button"
          className="icon-button"
          aria-pressed={asTable}
          aria-label={asTable ? `${title} as a chart` : `${title} as a table`}
          onClick={() => setAsTable(!asTable)}
        >
          {asTable ? <ChartLine size={15} aria-hidden /> : <Table size={15} aria-hidden />}
        </button>
      </header>
      {asTable ? (
        <Twin title={title} times={times} lines={lines} height={height} />
      ) : (
        <Plot title={title} times={times} lines={lines} height={height} />
      )}
    </section>
  );
}

function Plot({ title, times, lines, height }: Omit<Props, "unit"> & { height: number }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const { theme, zone } = usePrefs();
  const shape = lines.map((line) => `${line.label} ${line.color}`).join("|");
  const data = [times as number[], ...lines.map((line) => line.values as (number | null)[])] as uPlot.AlignedData;

  useEffect(() => {
    const host = place.current;
    if (!host) return;
    const grid = { stroke: token("--border"), width: 1 };
    const axis = { stroke: token("--muted"), grid, ticks: { show: false }, font: "11px system-ui" };
    const made = new uPlot(
      {
        width: host.clientWidth || 600,
        height,
        legend: { show: false },
        cursor: { y: false, points: { size: 6 } },
        ...(zone === "UTC" ? { tzDate: (at: number) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC") } : {}),
        scales: { y: { range: (_, __, most) => [0, Math.max(1, (most || 0) * 1.1)] } },
        axes: [
          { ...axis, grid: { show: false }, space: 90, values: (_, marks) => marks.map((mark) => timeOf(mark, zone)) },
          { ...axis, size: 46, values: (_, marks) => marks.map((mark) => rate(mark)) },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.label,
            stroke: token(line.color),
            width: 1.75,
            points: { show: false },
            ...(line.fill ? { fill: `color-mix(in srgb, ${token(line.color)} 14%, transparent)` } : {}),
          })),
        ],
      },
      data,
      host,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: host.clientWidth, height }));
    watcher.observe(host);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
    // The data come by setData below; only another shape or theme makes another plot.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [shape, height, theme, zone]);

  useEffect(() => plot.current?.setData(data));
  return <div ref={place} className="plot" role="img" aria-label={`${title}, a chart; the button beside its title shows the numbers`} />;
}

function Twin({ title, times, lines, height }: Omit<Props, "unit"> & { height: number }) {
  const { zone } = usePrefs();
  const rows = times.map((time, at) => [time, at] as const).reverse();
  return (
    <div className="scroll plot-table" style={{ height }} tabIndex={0} role="region" aria-label={`${title}, numbers`}>
      <table className="table">
        <thead>
          <tr>
            <th scope="col">Time</th>
            {lines.map((line) => (
              <th key={line.label} scope="col" className="num">
                {line.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([time, at]) => (
            <tr key={time}>
              <td>{timeOf(time, zone)}</td>
              {lines.map((line) => (
                <td key={line.label} className="num">
                  {line.values[at] == null ? "–" : rate(line.values[at])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
