/** The documents of the API as the dashboard reads them. */
export const STATES = [
  "PENDING",
  "SCHEDULED",
  "RUNNING",
  "COMPLETED",
  "FAILED",
  "CANCELLED",
  "DEAD",
] as const;
export type State = (typeof STATES)[number];

export const PRIORITIES = ["CRITICAL", "HIGH", "NORMAL", "LOW"] as const;
export type Priority = (typeof PRIORITIES)[number];

export interface QueueRow {
  queue: string;
  priority: Priority;
  depth: number;
  returned: number;
  isolated: number;
  paused: boolean;
  submitted: number;
  settled: number;
  /** Seconds; 0 when nothing waits. */
  oldest_age: number;
}

export interface Worker {
  id: string;
  incarnation: string;
  state: "IDLE" | "BUSY" | "PAUSED" | "SHUTTING_DOWN";
  concurrency: number;
  current_tasks: number;
  processed_count: number;
  failed_count: number;
  started_at: string;
  last_heartbeat: string;
  host: string;
  pid: number;
  version: string;
  queues: string[];
  /** Bytes; 0 = not known. */
  memory: number;
  /** 0 to 1. */
  utilisation: number;
}

export interface Snapshot {
  now: string;
  version: string;
  namespace: string;
  partitions: number;
  states: Record<State, number>;
  types: Record<string, Partial<Record<State, number>>>;
  stats: Record<string, number>;
  queues: QueueRow[];
  workers: Worker[];
  principal: { name: string; role: string };
}

export interface TaskError {
  type?: string;
  message?: string;
  traceback?: string;
  fingerprint?: string;
}

export interface Attempt {
  number: number;
  worker_id: string;
  started_at: string | null;
  duration: number;
  outcome: string;
  error: string | null;
}

export interface TaskRow {
  id: string;
  type: string;
  queue: string;
  priority: Priority;
  state: State;
  timeout: number;
  scheduled_at: string | null;
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  attempts: number;
  worker_id: string | null;
  metadata: Record<string, string>;
  depends_on: string[];
  waiting_for: string[];
  reason: string | null;
  retry_policy: { max_retries: number; strategy: string; initial_backoff: number; max_backoff: number };
  error?: TaskError | null;
  history?: Attempt[];
  progress: { fraction?: number; message?: string; at?: string } | null;
  log: { attempt: number; at: string; level: string; message: string }[];
  cancel_requested: boolean;
}

export interface TaskPage {
  tasks: TaskRow[];
  total: number;
  next_cursor: string | null;
}

export interface DeadGroup {
  fingerprint: string;
  type: string;
  reason: string;
  tasks: number;
  newest: string;
  oldest: string;
  example: string;
}

export interface Schedule {
  id: string;
  cron: string;
  tz: string;
  type: string;
  queue: string;
  missed: string;
  source: string;
  paused: boolean;
  next: string | null;
  last: string | null;
  last_task: string | null;
  ticks: number;
}
