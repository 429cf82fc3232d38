import { Dialog } from "./Dialog";

interface Props {
  title: string;
  text: string;
  action: string;
  onClose: () => void;
  onConfirm: () => void;
}

/** The second step of what cannot be undone; the safe choice has the focus. */
export function Confirm({ title, text, action, onClose, onConfirm }: Props) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <div className="dialog-foot">
        <button type="button" className="button" data-first onClick={onClose}>
          Leave it
        </button>
        <button type="button" className="button danger-solid" onClick={onConfirm}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
