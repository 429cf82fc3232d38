import { CircleAlert, CircleCheck, TriangleAlert } from "lucide-react";
import { Link } from "wouter";
import { findings } from "../lib/attention";
import type { Sample } from "../lib/series";
import type { Snapshot } from "../lib/types";

export function Attention({ snapshot, samples }: { snapshot: Snapshot; samples: readonly Sample[] }) {
  const found = findings(snapshot, samples);
  if (!found.length)
    return (
      <p className="attention attention-good">
        <CircleCheck size={16} aria-hidden /> Nothing needs attention.
      </p>
    );
  return (
    <ul className="attention-list" aria-label="Needs attention">
      {found.map(({ tone, text, path }) => {
        const Icon = tone === "bad" ? CircleAlert : TriangleAlert;
        return (
          <li key={text} className={`attention attention-${tone}`}>
            <Icon size={16} aria-hidden /> <span>{text}</span> <Link href={path}>look</Link>
          </li>
        );
      })}
    </ul>
  );
}
