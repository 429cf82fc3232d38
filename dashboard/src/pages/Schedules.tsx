import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { Empty, Failure, Skeleton } from "../components/Notice";
import { Age, Time } from "../components/Time";
import { api } from "../lib/api";
import { whole } from "../lib/format";
import { useEvery } from "../lib/live";

/** What is submitted again and again. */
export function Schedules() {
  const every = useEvery(5000);
  const query = useQuery({ queryKey: ["schedules"], queryFn: api.schedules, refetchInterval: every });
  if (query.isPending) return <Skeleton />;
  if (query.isError && !query.data) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  return (
    <>
      <div className="page-head">
        <h1>Schedules</h1>
        <span className="grow" />
        <Link href="/tasks?q=state:scheduled">scheduled tasks</Link>
      </div>
      <section className="card" aria-label="Schedules">
        {query.data.length === 0 ? (
          <Empty title="No schedule yet">
            Declare one with <code>@app.cron</code>, or <code>shoal schedules add nightly "0 3 * * *" report.export</code>.
          </Empty>
        ) : (
          <div className="scroll">
            <table className="table">
              <thead>
                <tr>
                  <th scope="col">Name</th>
                  <th scope="col">Cron</th>
                  <th scope="col">Zone</th>
                  <th scope="col">Submits</th>
                  <th scope="col">State</th>
                  <th scope="col">Next</th>
                  <th scope="col">Last</th>
                  <th scope="col" className="num">Ticks</th>
                  <th scope="col">When missed</th>
                  <th scope="col">Made by</th>
                </tr>
              </thead>
              <tbody>
                {query.data.map((one) => (
                  <tr key={one.id}>
                    <th scope="row">{one.id}</th>
                    <td>
                      <code>{one.cron}</code>
                    </td>
                    <td>{one.tz}</td>
                    <td>
                      <Link href={`/tasks?q=${encodeURIComponent(`type:${one.type}`)}`}>{one.type}</Link>
                      <span className="muted"> {one.queue}</span>
                    </td>
                    <td>
                      <span className={`outcome ${one.paused ? "tone-warn" : "tone-good"}`}>{one.paused ? "paused" : "on"}</span>
                    </td>
                    <td>
                      {one.next ? (
                        <>
                          <Age at={one.next} /> <small className="muted"><Time at={one.next} /></small>
                        </>
                      ) : (
                        "–"
                      )}
                    </td>
                    <td>
                      {one.last_task ? (
                        <Link href={`/tasks/${one.last_task}`}>
                          <Age at={one.last} />
                        </Link>
                      ) : (
                        <Age at={one.last} />
                      )}
                    </td>
                    <td className="num">{whole(one.ticks)}</td>
                    <td>{one.missed.replaceAll("_", " ")}</td>
                    <td>{one.source}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <p className="muted">
        <code>shoal schedules pause NAME</code>, <code>resume</code>, <code>trigger</code> and <code>remove</code> change them.
      </p>
    </>
  );
}
