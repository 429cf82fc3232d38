import { Ban, CalendarClock, CircleCheck, CirclePlay, Hourglass, RotateCw, Skull } from "lucide-react";
import type { State } from "../lib/types";

const ICONS = {
  PENDING: Hourglass,
  SCHEDULED: CalendarClock,
  RUNNING: CirclePlay,
  COMPLETED: CircleCheck,
  FAILED: RotateCw,
  CANCELLED: Ban,
  DEAD: Skull,
} as const;

/** A state by colour, icon and word: none of them alone. */
export function StateBadge({ state }: { state: State }) {
  const Icon = ICONS[state];
  return (
    <span className={`badge state-${state.toLowerCase()}`}>
      <Icon size={13} aria-hidden />
      {state}
    </span>
  );
}
