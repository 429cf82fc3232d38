import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link } from "wouter";
import { duration, shortId } from "../lib/format";
import { useKeys, type Bindings } from "../lib/keys";
import { usePrefs } from "../lib/prefs";
import type { TaskRow } from "../lib/types";
import { CopyButton } from "./JsonTree";
import { StateBadge } from "./StateBadge";
import { Age, Elapsed } from "./Time";

interface Props {
  rows: readonly TaskRow[];
  selected: ReadonlySet<string>;
  onSelect: (ids: ReadonlySet<string>) => void;
  onOpen: (task: TaskRow) => void;
  onPeek: (task: TaskRow) => void;
  /** The pointer is over the rows, or they are scrolled: nothing may move. */
  onHold: (isHeld: boolean) => void;
  onEnd: () => void;
}

/** Only the rows that can be seen are in the document, however many there are. */
export function TaskTable({ rows, selected, onSelect, onOpen, onPeek, onHold, onEnd }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState(-1);
  const { density } = usePrefs();
  const height = density === "compact" ? 34 : 44;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= rows.length - 20) onEnd();
  }, [last, rows.length, onEnd]);

  function toggle(id: string): void {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    onSelect(next);
  }
  const bindings = useMemo<Bindings>(() => {
    const move = (by: number) => () => {
      const next = Math.min(rows.length - 1, Math.max(0, at + by));
      setAt(next);
      virtual.scrollToIndex(next);
    };
    const here = rows[at];
    return {
      j: move(1),
      k: move(-1),
      ...(here && {
        x: () => toggle(here.id),
        Enter: () => onOpen(here),
        " ": () => onPeek(here),
      }),
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [rows, at, selected]);
  useKeys(bindings);

  return (
    <div
      ref={box}
      className="vtable"
      role="table"
      aria-label="Tasks"
      aria-rowcount={rows.length + 1}
      tabIndex={0}
      onPointerEnter={() => onHold(true)}
      onPointerLeave={() => onHold((box.current?.scrollTop ?? 0) > 0)}
      onScroll={() => onHold(true)}
    >
      <div role="rowgroup" className="vhead">
        <div role="row" className="vrow" aria-rowindex={1}>
          <span role="columnheader">
            <input
              type="checkbox"
              aria-label="Select all that are loaded"
              checked={rows.length > 0 && selected.size === rows.length}
              onChange={(event) => onSelect(new Set(event.target.checked ? rows.map((row) => row.id) : []))}
            />
          </span>
          {["State", "Id", "Type", "Priority", "Queue", "Attempts", "Age", "Ran", "Worker", "Error"].map((name) => (
            <span key={name} role="columnheader">
              {name}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" className="vbody" style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const task = rows[item.index];
          if (!task) return null;
          return (
            <div
              key={task.id}
              role="row"
              aria-rowindex={item.index + 2}
              className={`vrow${item.index === at ? " vrow-at" : ""}${selected.has(task.id) ? " vrow-selected" : ""}`}
              style={{ transform: `translateY(${item.start}px)`, height }}
              onClick={() => {
                setAt(item.index);
                onPeek(task);
              }}
            >
              <Cells task={task} isSelected={selected.has(task.id)} onToggle={() => toggle(task.id)} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Cells({ task, isSelected, onToggle }: { task: TaskRow; isSelected: boolean; onToggle: () => void }) {
  return (
    <>
      <span role="cell" onClick={(event) => event.stopPropagation()}>
        <input type="checkbox" aria-label={`Select ${task.id}`} checked={isSelected} onChange={onToggle} />
      </span>
      <span role="cell">
        <StateBadge state={task.state} />
      </span>
      <span role="cell" className="id-cell" onClick={(event) => event.stopPropagation()}>
        <Link href={`/tasks/${task.id}`} title={task.id}>
          <code>{shortId(task.id)}</code>
        </Link>
        <CopyButton text={() => task.id} what="id" />
      </span>
      <span role="cell">{task.type}</span>
      <span role="cell" className={`priority priority-${task.priority.toLowerCase()}`}>
        {task.priority}
      </span>
      <span role="cell">{task.queue}</span>
      <span role="cell" className="num">
        {task.attempts}/{task.retry_policy.max_retries + 1}
      </span>
      <span role="cell">
        <Age at={task.created_at} />
      </span>
      <span role="cell">
        {task.state === "RUNNING" && task.started_at ? (
          <Elapsed since={task.started_at} />
        ) : task.started_at && task.completed_at ? (
          <span className="num">{ran(task.started_at, task.completed_at)}</span>
        ) : (
          <span className="muted">–</span>
        )}
      </span>
      <span role="cell">{task.worker_id ? <code title={task.worker_id}>{task.worker_id.replace(/\.[^.]*$/, "")}</code> : <span className="muted">–</span>}</span>
      <span role="cell" className="clip" title={task.error?.message}>
        {task.state === "COMPLETED" ? "" : (task.error?.message ?? task.reason ?? "")}
      </span>
    </>
  );
}

/** Times have whole milliseconds, so that what was quicker than one has none. */
function ran(from: string, to: string): string {
  const ms = Date.parse(to) - Date.parse(from);
  return ms < 1 ? "< 1 ms" : duration(ms / 1000);
}
