import { CircleAlert, Inbox, SearchX } from "lucide-react";
import type { ReactNode } from "react";
import { ApiProblem } from "../lib/api";

/** Nothing is there: why, and what to do about it. */
export function Empty({ title, children, filtered }: { title: string; children?: ReactNode; filtered?: boolean }) {
  const Icon = filtered ? SearchX : Inbox;
  return (
    <div className="notice">
      <Icon size={28} aria-hidden />
      <p className="notice-title">{title}</p>
      {children && <div className="notice-text">{children}</div>}
    </div>
  );
}

/** What the API said went wrong, and another try. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const problem = error instanceof ApiProblem ? error : null;
  return (
    <div className="notice notice-bad" role="alert">
      <CircleAlert size={28} aria-hidden />
      <p className="notice-title">{problem?.title ?? "Something went wrong on this page"}</p>
      <div className="notice-text">
        {problem?.detail || String(error)}
        {problem && <code className="muted"> {problem.code}</code>}
      </div>
      {onRetry && (
        <button type="button" className="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** The place of what is still being read, in its final size. */
export function Skeleton({ rows = 6 }: { rows?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, at) => (
        <span key={at} />
      ))}
    </div>
  );
}
