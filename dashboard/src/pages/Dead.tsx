import { useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "wouter";
import { Empty, Failure, Skeleton } from "../components/Notice";
import { TaskSummary } from "../components/TaskSummary";
import { Age } from "../components/Time";
import { api } from "../lib/api";
import { whole } from "../lib/format";
import { useEvery } from "../lib/live";
import type { DeadGroup } from "../lib/types";

/** What the dead letters died of, and one of each to look at. */
export function Dead() {
  const [params, setParams] = useSearchParams();
  const every = useEvery(5000);
  const query = useQuery({ queryKey: ["dead"], queryFn: api.dead, refetchInterval: every });
  if (query.isPending) return <Skeleton rows={10} />;
  if (query.isError && !query.data) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  const { groups, counted, total } = query.data;
  const wanted = params.get("group");
  const shown = groups.find((group) => nameOf(group) === wanted || group.fingerprint === wanted) ?? groups[0];
  return (
    <>
      <div className="page-head">
        <h1>Dead letters</h1>
        <p className="muted">
          {whole(total)} tasks in {groups.length} {groups.length === 1 ? "group" : "groups"}
          {counted < total && `, of the newest ${whole(counted)}`}
        </p>
        <span className="grow" />
        <Link href="/tasks?q=state:dead">all of them</Link>
      </div>
      {groups.length === 0 ? (
        <Empty title="No dead letters">A task whose attempts are used up, or that may not be retried, comes here.</Empty>
      ) : (
        <div className="split">
          <ul className="groups" aria-label="Groups">
            {groups.map((group) => (
              <li key={nameOf(group)}>
                <button
                  type="button"
                  className="group"
                  aria-current={group === shown ? "true" : undefined}
                  onClick={() => setParams({ group: nameOf(group) })}
                >
                  <b className="num">{whole(group.tasks)}</b>
                  <span className="group-text">
                    <span>{group.type}</span>
                    <span className="outcome tone-bad">{group.reason.replaceAll("_", " ")}</span>
                    <small>
                      <Age at={group.newest} />
                      {group.fingerprint && <code> {group.fingerprint.slice(0, 10)}</code>}
                    </small>
                  </span>
                </button>
              </li>
            ))}
          </ul>
          {shown && (
            <section className="card" aria-label="The newest of this group">
              <header className="card-head">
                <h2>
                  The newest <span className="muted">of {whole(shown.tasks)}; the first died</span>{" "}
                  <span className="muted">
                    <Age at={shown.oldest} />
                  </span>
                </h2>
              </header>
              <TaskSummary key={shown.example} id={shown.example} />
              <p className="muted">
                All of this type at once: <code>shoal dlq requeue --type {shown.type}</code>, or select them in{" "}
                <Link href={`/tasks?q=${encodeURIComponent(`state:dead type:${shown.type}`)}`}>the list</Link>.
              </p>
            </section>
          )}
        </div>
      )}
    </>
  );
}

function nameOf(group: DeadGroup): string {
  return [group.type, group.reason, group.fingerprint].join(" ");
}
