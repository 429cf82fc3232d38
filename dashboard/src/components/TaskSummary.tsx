import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { api } from "../lib/api";
import { duration } from "../lib/format";
import { useEvery } from "../lib/live";
import type { TaskRow } from "../lib/types";
import { Attempts } from "./Attempts";
import { CopyButton, JsonTree } from "./JsonTree";
import { Failure, Skeleton } from "./Notice";
import { StateBadge } from "./StateBadge";
import { TaskActions } from "./TaskActions";
import { Time } from "./Time";

/** A task as it stands, read anew while it may change. */
export function useTask(id: string) {
  const every = useEvery(1000);
  return useQuery({
    queryKey: ["task", id],
    queryFn: () => api.task(id),
    refetchInterval: (query) => {
      const state = query.state.data?.task.state;
      return state === "COMPLETED" ? false : every;
    },
  });
}

/** The whole of a task in a narrow column: the drawer beside a list. */
export function TaskSummary({ id }: { id: string }) {
  const query = useTask(id);
  if (query.isPending) return <Skeleton />;
  if (query.isError && !query.data) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  const { task, payload, result } = query.data;
  return (
    <div className="stack">
      <p className="title-line">
        <StateBadge state={task.state} />
        <Link href={`/tasks/${task.id}`}>
          <code>{task.id}</code>
        </Link>
        <CopyButton text={() => task.id} what="id" />
      </p>
      <TaskActions task={task} />
      <Facts task={task} />
      {task.error && task.state !== "COMPLETED" && <ErrorBox task={task} />}
      <h3>Attempts</h3>
      <Attempts task={task} />
      <h3>Payload</h3>
      <JsonTree value={payload} label="payload" />
      {task.state === "COMPLETED" && (
        <>
          <h3>Result</h3>
          <JsonTree value={result} label="result" />
        </>
      )}
    </div>
  );
}

/** What a task is, in pairs. */
export function Facts({ task }: { task: TaskRow }) {
  const policy = task.retry_policy;
  return (
    <dl className="facts">
      <dt>Queue</dt>
      <dd>
        {task.queue} · {task.priority}
      </dd>
      <dt>Submitted</dt>
      <dd>
        <Time at={task.created_at} />
      </dd>
      {task.scheduled_at && (
        <>
          <dt>Scheduled for</dt>
          <dd>
            <Time at={task.scheduled_at} />
          </dd>
        </>
      )}
      <dt>Started</dt>
      <dd>
        <Time at={task.started_at} />
      </dd>
      <dt>Ended</dt>
      <dd>
        <Time at={task.completed_at} />
        {task.reason && <span className="muted"> {task.reason}</span>}
      </dd>
      <dt>Worker</dt>
      <dd>{task.worker_id ? <code>{task.worker_id}</code> : "–"}</dd>
      <dt>Attempts</dt>
      <dd>
        {task.attempts} of {policy.max_retries + 1}, {policy.strategy} from {duration(policy.initial_backoff)} to{" "}
        {duration(policy.max_backoff)}
      </dd>
      <dt>Timeout</dt>
      <dd>{duration(task.timeout)} an attempt</dd>
      {Object.entries(task.metadata).map(([name, value]) => (
        <Pair key={name} name={name} value={value} />
      ))}
    </dl>
  );
}

function Pair({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>
        <code>{name}</code>
      </dt>
      <dd>{value}</dd>
    </>
  );
}

/** What went wrong last. */
export function ErrorBox({ task }: { task: TaskRow }) {
  const { error } = task;
  if (!error) return null;
  return (
    <section className="error-box" aria-label="Error">
      <p>
        <b>{error.type ?? "Error"}</b>{" "}
        {error.fingerprint && (
          <Link href={`/dead?group=${encodeURIComponent(error.fingerprint)}`} className="muted">
            {error.fingerprint.slice(0, 12)}
          </Link>
        )}
      </p>
      <p className="error-text">{error.message}</p>
      {error.traceback && (
        <details>
          <summary>Traceback</summary>
          <pre tabIndex={0}>{error.traceback}</pre>
        </details>
      )}
    </section>
  );
}
