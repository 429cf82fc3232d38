import {
  Activity,
  CalendarClock,
  ChartLine,
  Cpu,
  Layers,
  ListTodo,
  Send,
  Server,
  Skull,
  type LucideIcon,
} from "lucide-react";

export interface Place {
  path: string;
  name: string;
  /** After "g". */
  key: string;
  icon: LucideIcon;
}

export const PLACES: readonly Place[] = [
  { path: "/overview", name: "Overview", key: "o", icon: Activity },
  { path: "/tasks", name: "Tasks", key: "t", icon: ListTodo },
  { path: "/queues", name: "Queues", key: "q", icon: Layers },
  { path: "/workers", name: "Workers", key: "w", icon: Cpu },
  { path: "/dead", name: "Dead letters", key: "d", icon: Skull },
  { path: "/schedules", name: "Schedules", key: "s", icon: CalendarClock },
  { path: "/charts", name: "Metrics", key: "m", icon: ChartLine },
  { path: "/system", name: "System", key: "y", icon: Server },
  { path: "/submit", name: "Submit", key: "n", icon: Send },
];
