import { useQuery } from "@tanstack/react-query";
import { Send } from "lucide-react";
import { useEffect, useState } from "react";
import { Link, useSearch } from "wouter";
import { Failure } from "../components/Notice";
import { api, ApiProblem, newWish, textOf } from "../lib/api";
import { parseExact } from "../lib/exact";
import { useLive } from "../lib/live";
import { PRIORITIES } from "../lib/types";

interface Draft {
  type: string;
  payload: string;
  priority: string;
  queue: string;
  delay: string;
  timeout: string;
  unique_key: string;
}

const EMPTY: Draft = { type: "", payload: "{}", priority: "", queue: "", delay: "", timeout: "", unique_key: "" };

/** Submit one task; a duplicate begins with another one's payload. */
export function Submit() {
  const from = new URLSearchParams(useSearch()).get("from") ?? "";
  const { snapshot } = useLive();
  const [draft, setDraft] = useState(EMPTY);
  const [wish, setWish] = useState(newWish);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const [sent, setSent] = useState("");
  const original = useQuery({ queryKey: ["task", from], queryFn: () => api.task(from), enabled: from !== "", staleTime: Infinity });

  useEffect(() => {
    if (!original.data) return;
    const { task, payload } = original.data;
    setDraft({ ...EMPTY, type: task.type, payload: textOf(payload), priority: task.priority, queue: task.queue });
  }, [original.data]);

  const fault = faultOf(draft.payload);
  function change(part: Partial<Draft>): void {
    setDraft({ ...draft, ...part });
    setWish(newWish()); // another task is another wish
    setSent("");
  }
  async function submit(): Promise<void> {
    setBusy(true);
    setProblem(null);
    const { payload, ...rest } = draft;
    const fields = Object.entries(rest).filter(([, value]) => value.trim());
    // The payload goes as it is written: numbers keep their digits.
    const document = `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value.trim())},`).join("")}"payload":${payload.trim() || "null"}}`;
    try {
      setSent((await api.submit(document, wish)).task_id);
      setWish(newWish());
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  }
  return (
    <>
      <div className="page-head">
        <h1>{from ? "Duplicate a task" : "Submit a task"}</h1>
      </div>
      {original.isError && <Failure error={original.error} />}
      <form
        className="card form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <label htmlFor="type">Type</label>
        <input id="type" required list="types" spellCheck={false} value={draft.type} onChange={(event) => change({ type: event.target.value })} />
        <datalist id="types">
          {Object.keys(snapshot?.types ?? {}).map((type) => (
            <option key={type} value={type} />
          ))}
        </datalist>
        <label htmlFor="payload">Payload, as JSON</label>
        <textarea
          id="payload"
          rows={10}
          spellCheck={false}
          value={draft.payload}
          aria-invalid={fault !== ""}
          aria-describedby={fault ? "payload-fault" : undefined}
          onChange={(event) => change({ payload: event.target.value })}
        />
        {fault && (
          <p id="payload-fault" className="field-error" role="alert">
            {fault}
          </p>
        )}
        <div className="form-row">
          <Field name="Priority">
            <select value={draft.priority} onChange={(event) => change({ priority: event.target.value })}>
              <option value="">the type's own</option>
              {PRIORITIES.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </Field>
          <Field name="Queue">
            <input value={draft.queue} placeholder="the type's own" spellCheck={false} onChange={(event) => change({ queue: event.target.value })} />
          </Field>
          <Field name="Delay">
            <input value={draft.delay} placeholder="none, or 5m" onChange={(event) => change({ delay: event.target.value })} />
          </Field>
          <Field name="Timeout">
            <input value={draft.timeout} placeholder="the type's own" onChange={(event) => change({ timeout: event.target.value })} />
          </Field>
          <Field name="Unique key">
            <input value={draft.unique_key} placeholder="none" spellCheck={false} onChange={(event) => change({ unique_key: event.target.value })} />
          </Field>
        </div>
        <div className="form-foot">
          <button type="submit" className="button primary" disabled={busy || fault !== "" || !draft.type.trim()}>
            <Send size={15} aria-hidden /> {busy ? "Submitting …" : "Submit"}
          </button>
          <p role="status">
            {sent && (
              <>
                Accepted: <Link href={`/tasks/${sent}`}>{sent}</Link>
              </>
            )}
          </p>
        </div>
        {problem !== null && (
          <div className="field-error" role="alert">
            <b>{problem instanceof ApiProblem ? problem.title : "It could not be submitted"}.</b>{" "}
            {problem instanceof Error ? problem.message : String(problem)}
          </div>
        )}
      </form>
    </>
  );
}

function Field({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <label className="field">
      <span>{name}</span>
      {children}
    </label>
  );
}

function faultOf(payload: string): string {
  try {
    if (payload.trim()) parseExact(payload);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
