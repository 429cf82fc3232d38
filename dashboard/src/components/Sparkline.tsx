const WIDTH = 100;
const HEIGHT = 24;

/** The shape of a series, without axes: the number beside it says how much. */
export function Sparkline({ values }: { values: readonly (number | null)[] }) {
  const known = values.map((value, at) => [at, value] as const).filter((one): one is [number, number] => one[1] !== null);
  const most = Math.max(1e-9, ...known.map(([, value]) => value));
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = known.map(
    ([at, value]) => `${(at * step).toFixed(1)},${(HEIGHT - 1 - (value / most) * (HEIGHT - 3)).toFixed(1)}`,
  );
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden>
      {points.length > 1 && (
        <>
          <polygon
            points={`${points[0]?.split(",")[0]},${HEIGHT} ${points.join(" ")} ${points.at(-1)?.split(",")[0]},${HEIGHT}`}
          />
          <polyline points={points.join(" ")} vectorEffect="non-scaling-stroke" />
        </>
      )}
    </svg>
  );
}
