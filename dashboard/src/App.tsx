import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Redirect, Route, Switch } from "wouter";
import { Boundary } from "./components/Boundary";
import { Dialog } from "./components/Dialog";
import { LoginForm } from "./components/Login";
import { Empty } from "./components/Notice";
import { Shell } from "./components/Shell";
import { useStanding } from "./lib/auth";
import { useLive } from "./lib/live";
import { Dead } from "./pages/Dead";
import { Metrics } from "./pages/Metrics";
import { Overview } from "./pages/Overview";
import { Queues } from "./pages/Queues";
import { Schedules } from "./pages/Schedules";
import { Submit } from "./pages/Submit";
import { System } from "./pages/System";
import { TaskPage } from "./pages/TaskPage";
import { Tasks } from "./pages/Tasks";
import { Workers } from "./pages/Workers";

export function App() {
  const standing = useStanding();
  const { snapshot, link } = useLive();
  const queries = useQueryClient();
  useEffect(() => {
    // What a page could not read while nobody was signed in, it reads now.
    if (standing === "in") void queries.invalidateQueries();
    if (standing === "out") queries.clear();
  }, [standing, queries]);
  if (standing === "out")
    return (
      <main className="welcome">
        <div className="card welcome-card">
          <h1>Shoal</h1>
          <LoginForm expired={false} />
        </div>
      </main>
    );
  if (standing === "unknown" && !snapshot)
    return (
      <main className="welcome">
        <p role="status" className="muted">
          {link.kind === "retrying" || link.kind === "redis"
            ? link.kind === "redis"
              ? "Redis cannot be reached; it is tried again."
              : `${link.why}; it is tried again.`
            : "Connecting …"}
        </p>
      </main>
    );
  return (
    <Shell>
      <Boundary>
        <Switch>
          <Route path="/">
            <Redirect to="/overview" replace />
          </Route>
          <Route path="/overview" component={Overview} />
          <Route path="/tasks" component={Tasks} />
          <Route path="/tasks/:id">{({ id }) => <TaskPage key={id} id={id} />}</Route>
          <Route path="/queues" component={Queues} />
          <Route path="/workers" component={Workers} />
          <Route path="/dead" component={Dead} />
          <Route path="/schedules" component={Schedules} />
          <Route path="/submit" component={Submit} />
          <Route path="/charts" component={Metrics} />
          <Route path="/system" component={System} />
          <Route>
            <Empty title="There is no such page" />
          </Route>
        </Switch>
      </Boundary>
      {standing === "expired" && (
        <Dialog title="Signed out" onClose={() => undefined} canClose={false}>
          <LoginForm expired />
        </Dialog>
      )}
    </Shell>
  );
}
