import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, ApiProblem, newWish } from "../lib/api";
import { say } from "../lib/toast";
import type { TaskRow } from "../lib/types";
import { Confirm } from "./Confirm";

/** How many requests are under way at once. */
const AT_ONCE = 8;

/** What can be done to all that are selected; each is done by itself, and the outcome is counted. */
export function BulkBar({ tasks, onDone }: { tasks: readonly TaskRow[]; onDone: () => void }) {
  const [asked, setAsked] = useState<"" | "requeue" | "cancel">("");
  const [done, setDone] = useState<number | null>(null);
  const [wish] = useState(newWish);
  const queries = useQueryClient();
  const requeueable = tasks.filter((task) => ["FAILED", "CANCELLED", "DEAD"].includes(task.state));
  const cancellable = tasks.filter((task) => !["COMPLETED", "CANCELLED", "DEAD"].includes(task.state));

  async function run(meant: readonly TaskRow[], act: (id: string) => Promise<unknown>, word: string): Promise<void> {
    setAsked("");
    setDone(0);
    let good = 0;
    let bad = "";
    const waiting = [...meant];
    async function one(): Promise<void> {
      for (let task = waiting.shift(); task; task = waiting.shift()) {
        try {
          await act(task.id);
          good += 1;
        } catch (error) {
          bad = error instanceof ApiProblem ? error.title : String(error);
        }
        setDone((before) => (before ?? 0) + 1);
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    say(bad ? `${word} ${good} of ${meant.length}. The others: ${bad}.` : `${word} ${good} tasks.`, bad ? "bad" : "good");
    void queries.invalidateQueries();
    onDone();
  }
  return (
    <div className="bulk" role="region" aria-label="Selected tasks">
      {done === null ? (
        <>
          <b>{tasks.length} selected</b>
          <button type="button" className="button" disabled={!requeueable.length} onClick={() => setAsked("requeue")}>
            Requeue {requeueable.length}
          </button>
          <button type="button" className="button danger" disabled={!cancellable.length} onClick={() => setAsked("cancel")}>
            Cancel {cancellable.length}
          </button>
          <button type="button" className="button quiet" onClick={onDone}>
            Clear
          </button>
        </>
      ) : (
        <>
          <progress max={tasks.length} value={done} aria-label="Progress" /> {done} of {tasks.length}
        </>
      )}
      {asked === "requeue" && (
        <Confirm
          title={`Requeue ${requeueable.length} tasks?`}
          text="They become ready to run again, with new attempts."
          action="Requeue them"
          onClose={() => setAsked("")}
          onConfirm={() => void run(requeueable, (id) => api.requeue(id, wish), "Requeued")}
        />
      )}
      {asked === "cancel" && (
        <Confirm
          title={`Cancel ${cancellable.length} tasks?`}
          text="Those that wait will not run; handlers of those that run are asked to stop."
          action="Cancel them"
          onClose={() => setAsked("")}
          onConfirm={() => void run(cancellable, api.cancel, "Cancelled")}
        />
      )}
    </div>
  );
}
