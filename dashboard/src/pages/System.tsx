import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Failure, Skeleton } from "../components/Notice";
import { api } from "../lib/api";
import { useEvery, useLive } from "../lib/live";
import { nextTheme, setPrefs, usePrefs } from "../lib/prefs";
import { whole } from "../lib/format";

/** What stands behind it, and how this page looks. */
export function System() {
  const { snapshot } = useLive();
  const every = useEvery(5000);
  const health = useQuery({ queryKey: ["health"], queryFn: api.health, refetchInterval: every });
  const prefs = usePrefs();
  const versions = new Map<string, number>();
  for (const worker of snapshot?.workers ?? []) versions.set(worker.version, (versions.get(worker.version) ?? 0) + 1);
  return (
    <>
      <div className="page-head">
        <h1>System</h1>
      </div>
      <div className="columns">
        <section className="card" aria-label="Deployment">
          <header className="card-head">
            <h2>Deployment</h2>
          </header>
          <dl className="facts">
            <dt>Health</dt>
            <dd>
              <span className={`outcome ${health.data?.status === "healthy" ? "tone-good" : "tone-bad"}`}>
                {health.data?.status ?? (health.isError ? "cannot be read" : "…")}
              </span>
            </dd>
            <dt>Redis</dt>
            <dd>{health.data?.redis ?? "…"}</dd>
            <dt>Namespace</dt>
            <dd>
              <code>{snapshot?.namespace}</code>
            </dd>
            <dt>Partitions</dt>
            <dd>{snapshot?.partitions}</dd>
            <dt>API</dt>
            <dd>Shoal {snapshot?.version}</dd>
            <dt>Workers</dt>
            <dd>
              {[...versions].map(([version, count]) => (
                <div key={version}>
                  {count} of {version}
                </div>
              ))}
              {versions.size === 0 && "none"}
            </dd>
            <dt>You</dt>
            <dd>
              <code>{snapshot?.principal.name}</code>, {snapshot?.principal.role}
            </dd>
          </dl>
        </section>
        <section className="card" aria-label="This browser">
          <header className="card-head">
            <h2>This browser</h2>
          </header>
          <div className="prefs">
            <button type="button" className="button" onClick={nextTheme}>
              Theme: {prefs.theme}
            </button>
            <button
              type="button"
              className="button"
              onClick={() => setPrefs({ density: prefs.density === "compact" ? "comfortable" : "compact" })}
            >
              Rows: {prefs.density}
            </button>
            <button
              type="button"
              className="button"
              onClick={() => setPrefs({ zone: prefs.zone === "UTC" ? "local" : "UTC" })}
            >
              Times: {prefs.zone}
            </button>
          </div>
        </section>
      </div>
      <Counters />
    </>
  );
}

/** What Prometheus would read, to look something up. */
function Counters() {
  const [word, setWord] = useState("");
  const every = useEvery(5000);
  const query = useQuery({ queryKey: ["metrics"], queryFn: api.metrics, refetchInterval: every });
  const lines = (query.data ?? "").split("\n").filter((line) => line && !line.startsWith("#"));
  const found = lines.filter((line) => line.includes(word) && !/_bucket\{|_created/.test(line));
  return (
    <section className="card" aria-label="Metrics of this API process">
      <header className="card-head">
        <h2>
          <code>/metrics</code> <span className="muted">{whole(found.length)} series</span>
        </h2>
        <input aria-label="Part of a metric's name" placeholder="part of a name" value={word} onChange={(event) => setWord(event.target.value)} />
      </header>
      {query.isPending ? (
        <Skeleton />
      ) : query.isError ? (
        <Failure error={query.error} onRetry={() => void query.refetch()} />
      ) : (
        <div className="scroll metrics-list" tabIndex={0} role="region" aria-label="Series">
          <table className="table">
            <tbody>
              {found.slice(0, 300).map((line) => {
                const at = line.lastIndexOf(" ");
                return (
                  <tr key={line.slice(0, at)}>
                    <td>
                      <code>{line.slice(0, at)}</code>
                    </td>
                    <td className="num">{line.slice(at + 1)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
