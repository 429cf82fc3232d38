import type { ReactNode } from "react";
import { Sparkline } from "./Sparkline";

interface Props {
  label: string;
  value: string;
  hint?: ReactNode;
  tone?: "good" | "warn" | "bad" | undefined;
  line?: readonly (number | null)[];
}

/** One number, what it means, and how it got there. */
export function Tile({ label, value, hint, tone, line }: Props) {
  return (
    <section className={`tile${tone ? ` tone-${tone}` : ""}`} aria-label={label}>
      <h3>{label}</h3>
      <p className="tile-value">{value}</p>
      <p className="tile-hint">{hint}</p>
      {line && <Sparkline values={line} />}
    </section>
  );
}
