import { useId, useState } from "react";
import { useLocation } from "wouter";
import { parseFilter } from "../lib/filter";
import { live, useLive } from "../lib/live";
import { nextTheme } from "../lib/prefs";
import { STATES } from "../lib/types";
import { Dialog } from "./Dialog";
import { PLACES } from "./nav";

interface Choice {
  text: string;
  kind: string;
  run: () => void;
}

/** Where to go and what to do, by writing a part of its name, or a task's id. */
export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [, go] = useLocation();
  const { snapshot } = useLive();
  const list = useId();
  const { id } = parseFilter(text);
  const all: Choice[] = [
    ...(id ? [{ text: id, kind: "Task", run: () => go(`/tasks/${id}`) }] : []),
    ...PLACES.map((place) => ({ text: place.name, kind: "Page", run: () => go(place.path) })),
    ...STATES.map((state) => ({
      text: `Tasks that are ${state}`,
      kind: "Tasks",
      run: () => go(`/tasks?q=${encodeURIComponent(`state:${state.toLowerCase()}`)}`),
    })),
    ...Object.keys(snapshot?.types ?? {}).map((type) => ({
      text: type,
      kind: "Type",
      run: () => go(`/tasks?q=${encodeURIComponent(`type:${type}`)}`),
    })),
    { text: "Pause updates, or go on", kind: "Do", run: () => live.toggle() },
    { text: "Next theme", kind: "Do", run: nextTheme },
  ];
  const wanted = text.trim().toLowerCase();
  const found = all.filter((one) => `${one.text} ${one.kind}`.toLowerCase().includes(wanted)).slice(0, 12);
  const chosen = Math.min(at, found.length - 1);
  function run(choice: Choice | undefined): void {
    if (!choice) return;
    onClose();
    choice.run();
  }
  return (
    <Dialog title="Go to" onClose={onClose}>
      <input
        className="palette-input"
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={found.length ? `${list}-${chosen}` : undefined}
        aria-label="A page, a type, or a task's id"
        placeholder="A page, a type, or a task's id"
        data-first
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") setAt((chosen + 1) % Math.max(1, found.length));
          else if (event.key === "ArrowUp") setAt((chosen - 1 + found.length) % Math.max(1, found.length));
          else if (event.key === "Enter") run(found[chosen]);
          else return;
          event.preventDefault();
        }}
      />
      <ul id={list} role="listbox" aria-label="Choices" className="palette-list">
        {found.map((choice, index) => (
          <li
            key={`${choice.kind} ${choice.text}`}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === chosen}
            onMouseMove={() => setAt(index)}
            onClick={() => run(choice)}
          >
            {choice.text} <span className="muted">{choice.kind}</span>
          </li>
        ))}
      </ul>
      {!found.length && <p className="muted">Nothing is called so. A task is found by its whole id.</p>}
    </Dialog>
  );
}
