import { CheckCheck } from "lucide-react";
import { Link } from "wouter";
import { Attempts } from "../components/Attempts";
import { CopyButton, JsonTree } from "../components/JsonTree";
import { Failure, Skeleton } from "../components/Notice";
import { StateBadge } from "../components/StateBadge";
import { TaskActions } from "../components/TaskActions";
import { ErrorBox, Facts, useTask } from "../components/TaskSummary";
import { Elapsed, Time } from "../components/Time";
import { ROOT } from "../lib/base";
import { duration, percent, shortId } from "../lib/format";
import type { TaskRow } from "../lib/types";

/** One task: where it stands, how it got there, what went in and what came out. */
export function TaskPage({ id }: { id: string }) {
  const query = useTask(id);
  if (query.isPending) return <Skeleton rows={12} />;
  if (query.isError && !query.data)
    return (
      <>
        <h1>Task {shortId(id)}</h1>
        <Failure error={query.error} onRetry={() => void query.refetch()} />
      </>
    );
  const { task, payload, result, raw } = query.data;
  return (
    <>
      <div className="page-head">
        <h1 className="title-line">
          <StateBadge state={task.state} /> {task.type}
        </h1>
        <TaskActions task={task} />
      </div>
      <p className="title-line muted">
        <code>{task.id}</code> <CopyButton text={() => task.id} what="id" />
        <span className="grow" />
        <CopyButton text={() => curl(task.id)} what="as curl" /> curl <CopyButton text={() => `shoal task ${task.id}`} what="as shell command" />{" "}
        shell <CopyButton text={() => raw} what="as JSON" /> JSON
      </p>
      <Strip task={task} />
      {task.progress?.fraction !== undefined && task.state === "RUNNING" && (
        <p className="title-line">
          <progress max={1} value={task.progress.fraction} aria-label="Progress" /> {percent(task.progress.fraction)}{" "}
          <span className="muted">{task.progress.message}</span>
        </p>
      )}
      {task.error && task.state !== "COMPLETED" && <ErrorBox task={task} />}
      <div className="columns">
        <section className="card" aria-label="Attempts">
          <header className="card-head">
            <h2>Attempts</h2>
          </header>
          <Attempts task={task} />
        </section>
        <section className="card" aria-label="Facts">
          <header className="card-head">
            <h2>Facts</h2>
          </header>
          <Facts task={task} />
        </section>
        <section className="card" aria-label="Payload">
          <header className="card-head">
            <h2>Payload</h2>
          </header>
          <JsonTree value={payload} label="payload" />
        </section>
        <section className="card" aria-label="Result">
          <header className="card-head">
            <h2>Result</h2>
          </header>
          {task.state === "COMPLETED" ? <JsonTree value={result} label="result" /> : <p className="muted">None yet.</p>}
        </section>
      </div>
      {task.depends_on.length > 0 && <Parents task={task} />}
      {task.log.length > 0 && <Log task={task} />}
    </>
  );
}

function curl(id: string): string {
  return `curl -s ${new URL(`api/v1/tasks/${id}`, ROOT).href} -H "X-API-Key: $API_KEY"`;
}

/** The way of a task so far, with what lay between. */
function Strip({ task }: { task: TaskRow }) {
  const steps: [string, string | null][] = [
    ["submitted", task.created_at],
    ...(task.scheduled_at ? [["due", task.scheduled_at] as [string, string]] : []),
    ["started", task.started_at],
    [task.completed_at ? task.state.toLowerCase() : "ends", task.completed_at],
  ];
  return (
    <ol className="strip" aria-label="Its way">
      {steps.map(([name, at], index) => {
        const before = steps[index - 1]?.[1];
        return (
          <li key={name} className={at ? "strip-done" : ""}>
            {index > 0 && (
              <span className="strip-gap">
                {at && before ? (
                  duration((Date.parse(at) - Date.parse(before)) / 1000)
                ) : before && !["COMPLETED", "CANCELLED", "DEAD"].includes(task.state) ? (
                  <Elapsed since={before} />
                ) : (
                  ""
                )}
              </span>
            )}
            <span className="strip-step">
              {at && <CheckCheck size={14} aria-hidden />} {name}
              <small>
                <Time at={at} />
              </small>
            </span>
          </li>
        );
      })}
    </ol>
  );
}

function Parents({ task }: { task: TaskRow }) {
  return (
    <section className="card" aria-label="Dependencies">
      <header className="card-head">
        <h2>Runs after</h2>
      </header>
      <ul className="parents">
        {task.depends_on.map((id) => (
          <li key={id}>
            <Link href={`/tasks/${id}`}>
              <code>{id}</code>
            </Link>{" "}
            <span className="muted">{task.waiting_for.includes(id) ? "has not ended yet" : "has ended"}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Log({ task }: { task: TaskRow }) {
  return (
    <section className="card" aria-label="Log">
      <header className="card-head">
        <h2>Log of its handler</h2>
      </header>
      <ol className="log" tabIndex={0} aria-label="Lines">
        {task.log.map((line, at) => (
          <li key={at} className={`log-${line.level}`}>
            <Time at={line.at} /> <b>{line.level}</b> <span className="muted">#{line.attempt}</span> {line.message}
          </li>
        ))}
      </ol>
    </section>
  );
}
