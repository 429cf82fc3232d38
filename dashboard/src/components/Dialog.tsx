import { X } from "lucide-react";
import { useEffect, useId, useRef, type ReactNode } from "react";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
  kind?: "modal" | "drawer";
  canClose?: boolean;
}

/** The browser's own dialog: it holds the focus, Escape closes it, the page behind is inert. */
export function Dialog({ title, onClose, children, kind = "modal", canClose = true }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    // React sets no autofocus attribute, and the browser would take the first button.
    shown?.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => shown?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={kind}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        if (canClose) onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === dialog.current && canClose) onClose();
      }}
    >
      <div className="dialog-body">
        <header className="dialog-head">
          <h2 id={heading}>{title}</h2>
          {canClose && (
            <button type="button" className="icon-button" onClick={onClose} aria-label="Close">
              <X size={16} aria-hidden />
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}
