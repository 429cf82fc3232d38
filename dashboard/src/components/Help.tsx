import { Dialog } from "./Dialog";
import { PLACES } from "./nav";

const EVERYWHERE = [
  ["Ctrl K", "Go to a page, a task, a type"],
  ["/", "Write into the query bar"],
  ["p", "Pause all updates, or go on"],
  ["t", "Next theme"],
  ["?", "These keys"],
];
const TASKS = [
  ["j  k", "Next and previous row"],
  ["Enter", "Open the task"],
  ["Space", "Look at it beside the list"],
  ["x", "Select it"],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <div className="help">
        <Keys title="Everywhere" rows={EVERYWHERE} />
        <Keys title="In lists" rows={TASKS} />
        <Keys title="Pages" rows={PLACES.map((place) => [`g ${place.key}`, place.name])} />
      </div>
    </Dialog>
  );
}

function Keys({ title, rows }: { title: string; rows: readonly (readonly string[])[] }) {
  return (
    <section>
      <h3>{title}</h3>
      <dl>
        {rows.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
