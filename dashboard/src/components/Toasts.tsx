import { X } from "lucide-react";
import { dismiss, useToasts } from "../lib/toast";

/** What became of what was done. */
export function Toasts() {
  const toasts = useToasts();
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map((toast) => (
        <p key={toast.id} className={`toast toast-${toast.tone}`}>
          {toast.text}
          <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => dismiss(toast.id)}>
            <X size={14} aria-hidden />
          </button>
        </p>
      ))}
    </div>
  );
}
