import { useInfiniteQuery } from "@tanstack/react-query";
import { RefreshCw, Search } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { useLocation, useSearchParams } from "wouter";
import { Dialog } from "../components/Dialog";
import { Empty, Failure, Skeleton } from "../components/Notice";
import { BulkBar } from "../components/BulkBar";
import { TaskSummary } from "../components/TaskSummary";
import { TaskTable } from "../components/TaskTable";
import { api } from "../lib/api";
import { completions, parseFilter, writeFilter } from "../lib/filter";
import { whole } from "../lib/format";
import { useEvery, useLive } from "../lib/live";
import { STATES, type TaskRow } from "../lib/types";

const PAGE = 100;

/** Every task, newest first, by state and type; the filter is in the address. */
export function Tasks() {
  const [params, setParams] = useSearchParams();
  const [, go] = useLocation();
  const text = params.get("q") ?? "";
  const filter = useMemo(() => parseFilter(text), [text]);
  const { snapshot } = useLive();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [peeked, setPeeked] = useState<TaskRow | null>(null);
  const [isHeld, setHeld] = useState(false);
  const every = useEvery(3000);
  const hold = isHeld || selected.size > 0 || peeked !== null;

  const query = useInfiniteQuery({
    queryKey: ["tasks", filter.state, filter.type],
    queryFn: ({ pageParam }) =>
      api.tasks({ state: filter.state ?? "", type: filter.type ?? "" }, pageParam, PAGE),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    // Rows never move under the hand: it reads on by itself only at the top with nothing chosen.
    refetchInterval: (running) => (hold || (running.state.data?.pages.length ?? 1) > 1 ? false : every),
  });
  useEffect(() => {
    if (filter.id) go(`/tasks/${filter.id}`);
  }, [filter.id, go]);
  useEffect(() => setSelected(new Set()), [text]);

  const rows = useMemo(() => {
    const seen = new Map<string, TaskRow>();
    for (const page of query.data?.pages ?? []) for (const task of page.tasks) seen.set(task.id, task);
    return [...seen.values()];
  }, [query.data]);
  const shown = query.data?.pages[0]?.total ?? 0;
  const total = snapshot ? totalOf(snapshot.types, snapshot.states, filter) : shown;
  const search = useCallback(
    (value: string) => setParams(value.trim() ? { q: value.trim() } : {}),
    [setParams],
  );
  const more = useCallback(() => {
    if (query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
  }, [query]);
  const change = total - shown;

  return (
    <div className="page-full">
      <div className="page-head">
        <h1>Tasks</h1>
        <QueryBar text={text} types={Object.keys(snapshot?.types ?? {})} onSearch={search} />
      </div>
      <div className="chips" role="group" aria-label="State">
        <button type="button" className="chip" aria-pressed={!filter.state} onClick={() => search(writeFilter({ type: filter.type ?? "" }))}>
          All
        </button>
        {STATES.map((state) => (
          <button
            key={state}
            type="button"
            className="chip"
            aria-pressed={filter.state === state}
            onClick={() => search(writeFilter({ state, type: filter.type ?? "" }))}
          >
            {state} <b className="num">{snapshot ? whole(countOf(snapshot.types, snapshot.states, state, filter.type)) : ""}</b>
          </button>
        ))}
        <span className="grow" />
        {hold && change !== 0 && (
          <button type="button" className="chip chip-new" onClick={() => void query.refetch()}>
            <RefreshCw size={13} aria-hidden /> {change > 0 ? `${whole(change)} new` : "changed"}
          </button>
        )}
        <span className="muted num">{whole(shown)} tasks</span>
      </div>
      {filter.wrong.map((wrong) => (
        <p key={wrong} className="field-error" role="alert">
          {wrong}
        </p>
      ))}
      {query.isPending ? (
        <Skeleton rows={14} />
      ) : query.isError && !rows.length ? (
        <Failure error={query.error} onRetry={() => void query.refetch()} />
      ) : rows.length === 0 ? (
        text ? (
          <Empty title="No task fits this filter" filtered>
            <button type="button" className="link" onClick={() => search("")}>
              Clear the filter
            </button>
          </Empty>
        ) : (
          <Empty title="There are no tasks yet">
            <code>shoal submit demo.echo '{"{}"}'</code> submits one.
          </Empty>
        )
      ) : (
        <TaskTable
          rows={rows}
          selected={selected}
          onSelect={setSelected}
          onOpen={(task) => go(`/tasks/${task.id}`)}
          onPeek={setPeeked}
          onHold={setHeld}
          onEnd={more}
        />
      )}
      {selected.size > 0 && <BulkBar tasks={rows.filter((row) => selected.has(row.id))} onDone={() => setSelected(new Set())} />}
      {peeked && (
        <Dialog title={peeked.type} kind="drawer" onClose={() => setPeeked(null)}>
          <TaskSummary id={peeked.id} />
        </Dialog>
      )}
    </div>
  );
}

type Counts = Record<string, Partial<Record<string, number>>>;

function countOf(types: Counts, states: Record<string, number>, state: string, type?: string): number {
  return type ? (types[type]?.[state] ?? 0) : (states[state] ?? 0);
}

function totalOf(types: Counts, states: Record<string, number>, filter: { state?: string; type?: string }): number {
  const wanted: readonly string[] = filter.state ? [filter.state] : STATES;
  return wanted.reduce((sum, state) => sum + countOf(types, states, state, filter.type), 0);
}

function QueryBar({ text, types, onSearch }: { text: string; types: string[]; onSearch: (text: string) => void }) {
  const [draft, setDraft] = useState(text);
  useEffect(() => setDraft(text), [text]);
  return (
    <form
      className="query"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        onSearch(draft);
      }}
    >
      <Search size={15} aria-hidden />
      <input
        data-query
        list="completions"
        aria-label="Filter tasks"
        placeholder="state:failed type:email.send, or a task's id"
        spellCheck={false}
        autoComplete="off"
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
      <kbd>/</kbd>
      <datalist id="completions">
        {completions(draft, types).map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
    </form>
  );
}
