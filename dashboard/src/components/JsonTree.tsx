import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { ExactNumber, writeExact, type Exact } from "../lib/exact";

const AT_ONCE = 100;

/** A value as a tree: what it holds is text, never markup; numbers have all their digits. */
export function JsonTree({ value, label }: { value: Exact; label: string }) {
  return (
    <div className="json" tabIndex={0} role="group" aria-label={label}>
      <CopyButton text={() => writeExact(value)} what={label} />
      <Node value={value} depth={0} />
    </div>
  );
}

function Node({ value, depth, name }: { value: Exact; depth: number; name?: string }) {
  const [most, setMost] = useState(AT_ONCE);
  const key = name === undefined ? null : <span className="json-key">{name}: </span>;
  if (!(Array.isArray(value) || value instanceof Map) || sizeOf(value) === 0) {
    return (
      <div className="json-leaf">
        {key}
        <Leaf value={value} />
      </div>
    );
  }
  const rows: [string, Exact][] = Array.isArray(value)
    ? value.slice(0, most).map((item, at) => [String(at), item])
    : [...value].slice(0, most);
  const size = sizeOf(value);
  return (
    <details open={depth < 2}>
      <summary>
        {key}
        <span className="muted">{Array.isArray(value) ? `[ ${size} ]` : `{ ${size} }`}</span>
      </summary>
      {rows.map(([inner, item]) => (
        <Node key={inner} name={inner} value={item} depth={depth + 1} />
      ))}
      {size > most && (
        <button type="button" className="link" onClick={() => setMost(most * 10)}>
          {size - most} more
        </button>
      )}
    </details>
  );
}

function sizeOf(value: Exact[] | Map<string, Exact>): number {
  return Array.isArray(value) ? value.length : value.size;
}

function Leaf({ value }: { value: Exact }) {
  if (value instanceof ExactNumber || typeof value === "number")
    return <span className="json-number">{value instanceof ExactNumber ? value.text : value}</span>;
  if (typeof value === "string") return <span className="json-string">{JSON.stringify(value)}</span>;
  return <span className="json-word">{writeExact(value)}</span>;
}

/** Copies a text, also where the page is not served by https. */
export function CopyButton({ text, what }: { text: () => string; what: string }) {
  const [done, setDone] = useState(false);
  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      const area = document.createElement("textarea");
      area.value = text();
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    setDone(true);
    window.setTimeout(() => setDone(false), 1500);
  }
  return (
    <button
      type="button"
      className="icon-button copy"
      aria-label={done ? "Copied" : `Copy ${what}`}
      onClick={(event) => {
        event.stopPropagation();
        void copy();
      }}
    >
      {done ? <Check size={13} aria-hidden /> : <Copy size={13} aria-hidden />}
    </button>
  );
}
