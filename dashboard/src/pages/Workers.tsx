import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useSearchParams } from "wouter";
import { Dialog } from "../components/Dialog";
import { Empty, Skeleton } from "../components/Notice";
import { Age, Elapsed, Time } from "../components/Time";
import { StateBadge } from "../components/StateBadge";
import { Link } from "wouter";
import { api } from "../lib/api";
import { bytes, percent, shortId, whole } from "../lib/format";
import { useEvery, useLive } from "../lib/live";
import type { Worker } from "../lib/types";

const ORDERS = {
  name: (a: Worker, b: Worker) => a.id.localeCompare(b.id, "en", { numeric: true }),
  load: (a: Worker, b: Worker) => b.utilisation - a.utilisation,
  memory: (a: Worker, b: Worker) => b.memory - a.memory,
  failed: (a: Worker, b: Worker) => b.failed_count - a.failed_count,
} as const;

/** Every shard with its slots, by the host it runs on. */
export function Workers() {
  const { snapshot } = useLive();
  const [params, setParams] = useSearchParams();
  const order = (params.get("by") ?? "name") as keyof typeof ORDERS;
  const shown = params.get("worker");
  const hosts = useMemo(() => {
    const found = new Map<string, Worker[]>();
    for (const worker of [...(snapshot?.workers ?? [])].sort(ORDERS[order] ?? ORDERS.name))
      found.set(worker.host, [...(found.get(worker.host) ?? []), worker]);
    return [...found];
  }, [snapshot, order]);
  function set(name: string, value: string | null): void {
    setParams((before) => {
      const next = new URLSearchParams(before);
      if (value) next.set(name, value);
      else next.delete(name);
      return next;
    });
  }
  if (!snapshot) return <Skeleton rows={10} />;
  const slots = snapshot.workers.reduce((sum, one) => sum + one.concurrency, 0);
  const busy = snapshot.workers.reduce((sum, one) => sum + one.current_tasks, 0);
  const worker = snapshot.workers.find((one) => one.id === shown);
  return (
    <>
      <div className="page-head">
        <h1>Workers</h1>
        <p className="muted">
          {whole(snapshot.workers.length)} shards on {hosts.length} {hosts.length === 1 ? "host" : "hosts"}, {whole(busy)} of {whole(slots)} slots busy
        </p>
        <span className="grow" />
        <label>
          Order{" "}
          <select value={order} onChange={(event) => set("by", event.target.value === "name" ? null : event.target.value)}>
            <option value="name">by name</option>
            <option value="load">busiest first</option>
            <option value="memory">largest first</option>
            <option value="failed">most failures first</option>
          </select>
        </label>
      </div>
      {hosts.length === 0 && (
        <Empty title="No worker is alive">
          Tasks are accepted and wait. <code>shoal worker MODULE:APP</code> starts a worker host.
        </Empty>
      )}
      {hosts.map(([host, workers]) => (
        <section key={host} className="card" aria-label={`Host ${host}`}>
          <header className="card-head">
            <h2>{host}</h2>
            <span className="muted">{workers[0]?.version}</span>
          </header>
          <ul className="grid">
            {workers.map((one) => (
              <li key={one.incarnation}>
                <Shard worker={one} onOpen={() => set("worker", one.id)} />
              </li>
            ))}
          </ul>
        </section>
      ))}
      {shown && (
        <Dialog title={`Worker ${shown}`} kind="drawer" onClose={() => set("worker", null)}>
          {worker ? <WorkerDetail worker={worker} /> : <Empty title="This worker is not alive any more" />}
        </Dialog>
      )}
    </>
  );
}

/** At most so many squares; beyond that a square stands for several slots. */
const SQUARES = 60;

function Shard({ worker, onOpen }: { worker: Worker; onOpen: () => void }) {
  const each = Math.max(1, Math.ceil(worker.concurrency / SQUARES));
  const squares = Math.ceil(worker.concurrency / each);
  const busy = Math.ceil(worker.current_tasks / each);
  return (
    <button type="button" className={`shard shard-${worker.state.toLowerCase()}`} onClick={onOpen}>
      <span className="shard-head">
        <b>{worker.id}</b>
        <span className="shard-state">{worker.state.replace("_", " ")}</span>
      </span>
      <span className="slots" aria-hidden>
        {Array.from({ length: squares }, (_, at) => (
          <i key={at} className={at < busy ? "busy" : ""} />
        ))}
      </span>
      <span className="shard-foot">
        <span>
          {worker.current_tasks}/{worker.concurrency} slots
        </span>
        <span>{percent(worker.utilisation)}</span>
        <span>{worker.memory ? bytes(worker.memory) : ""}</span>
      </span>
    </button>
  );
}

function WorkerDetail({ worker }: { worker: Worker }) {
  const every = useEvery(2000);
  const running = useQuery({
    queryKey: ["running"],
    queryFn: () => api.tasks({ state: "RUNNING" }, null, 200),
    refetchInterval: every,
  });
  const tasks = (running.data?.tasks ?? []).filter((task) => task.worker_id === worker.incarnation);
  return (
    <div className="stack">
      <dl className="facts">
        <dt>State</dt>
        <dd>{worker.state}</dd>
        <dt>Process</dt>
        <dd>
          {worker.pid} on {worker.host}, {worker.version}
        </dd>
        <dt>Life</dt>
        <dd>
          <code>{worker.incarnation}</code>, since <Time at={worker.started_at} />
        </dd>
        <dt>Heartbeat</dt>
        <dd>
          <Age at={worker.last_heartbeat} />
        </dd>
        <dt>Slots</dt>
        <dd>
          {worker.current_tasks} of {worker.concurrency} busy, {percent(worker.utilisation)} since the last heartbeat
        </dd>
        <dt>Memory</dt>
        <dd>{worker.memory ? bytes(worker.memory) : "not known"}</dd>
        <dt>Attempts</dt>
        <dd>
          {whole(worker.processed_count)} ended, {whole(worker.failed_count)} of them failed
        </dd>
        <dt>Queues</dt>
        <dd>{worker.queues.length ? worker.queues.join(", ") : "all"}</dd>
      </dl>
      <h3>Runs now</h3>
      {tasks.length === 0 ? (
        <p className="muted">{(running.data?.total ?? 0) > 200 ? "None of the newest 200 running tasks." : "Nothing."}</p>
      ) : (
        <ul className="parents">
          {tasks.map((task) => (
            <li key={task.id} className="title-line">
              <StateBadge state={task.state} />
              <Link href={`/tasks/${task.id}`}>
                <code>{shortId(task.id)}</code>
              </Link>
              {task.type}
              <span className="grow" />
              {task.started_at && <Elapsed since={task.started_at} />}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
