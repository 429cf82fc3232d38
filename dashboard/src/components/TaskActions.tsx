import { useQueryClient } from "@tanstack/react-query";
import { Ban, CopyPlus, RotateCw } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { api, newWish } from "../lib/api";
import { say } from "../lib/toast";
import type { TaskRow } from "../lib/types";
import { Confirm } from "./Confirm";

const ENDED = ["COMPLETED", "CANCELLED", "DEAD"];

/** What can be done to one task, where it stands now. */
export function TaskActions({ task }: { task: TaskRow }) {
  const [asked, setAsked] = useState(false);
  const [wish] = useState(newWish);
  const [busy, setBusy] = useState(false);
  const queries = useQueryClient();
  async function act(work: () => Promise<string>): Promise<void> {
    setBusy(true);
    try {
      say(await work());
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), "bad");
    } finally {
      setBusy(false);
      setAsked(false);
      void queries.invalidateQueries();
    }
  }
  return (
    <div className="actions">
      {["FAILED", "CANCELLED", "DEAD"].includes(task.state) && (
        <button
          type="button"
          className="button"
          disabled={busy}
          onClick={() => void act(async () => (await api.requeue(task.id, wish), "Requeued: it is ready to run again."))}
        >
          <RotateCw size={14} aria-hidden /> Requeue
        </button>
      )}
      <Link className="button" href={`/submit?from=${task.id}`}>
        <CopyPlus size={14} aria-hidden /> Duplicate
      </Link>
      {!ENDED.includes(task.state) && (
        <button
          type="button"
          className="button danger"
          disabled={busy || task.cancel_requested}
          onClick={() => setAsked(true)}
        >
          <Ban size={14} aria-hidden /> {task.cancel_requested ? "Cancel requested" : "Cancel"}
        </button>
      )}
      {asked && (
        <Confirm
          title="Cancel this task?"
          text={
            task.state === "RUNNING"
              ? "It runs: its handler is asked to stop, and may end otherwise before it does."
              : "It will not run. It can be requeued later."
          }
          action="Cancel the task"
          onClose={() => setAsked(false)}
          onConfirm={() =>
            void act(async () =>
              (await api.cancel(task.id)).cancelled ? "Cancelled." : "Its handler is asked to stop.",
            )
          }
        />
      )}
    </div>
  );
}
