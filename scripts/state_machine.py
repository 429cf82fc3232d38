"""Writes docs/state-machine.md from the tables in ``shoal/model``.

Without an argument the page is written; with ``--check`` it is compared, and the exit status is 1
if the committed page differs.
"""

import sys
from pathlib import Path

from shoal.model.reason import DEAD_MEANINGS
from shoal.model.transitions import INITIAL, TERMINAL, TRANSITIONS, State

PAGE = Path(__file__).resolve().parent.parent / "docs" / "state-machine.md"

MEANINGS = {
    State.PENDING: "Ready: any worker of its queue may claim it now.",
    State.SCHEDULED: "Waits for its time, or for the tasks it depends on.",
    State.RUNNING: "Claimed. A worker runs it and keeps its lease.",
    State.COMPLETED: "Its handler returned; the result is kept until its retention ends.",
    State.FAILED: "The last attempt failed, and a retry waits for its backoff.",
    State.CANCELLED: "Taken back before it completed; the reason is kept.",
    State.DEAD: "Will not run again by itself: it is in the dead letter queue, with the reason.",
}

#: Why a verb makes a move, where the verb alone does not say it.
REASONS = {
    (State.PENDING, State.CANCELLED, "claim"): "a cancel was requested while it ran before",
    (State.RUNNING, State.COMPLETED, "settle"): "the handler returned",
    (State.RUNNING, State.FAILED, "settle"): "the handler failed, and the policy allows a retry",
    (State.RUNNING, State.DEAD, "settle"): "retries are used up, or it can never succeed",
    (State.RUNNING, State.DEAD, "release"): "it crashed too many workers, or was lost too often",
    (State.RUNNING, State.DEAD, "recover"): "it was lost too often",
    (State.RUNNING, State.CANCELLED, "settle"): "a cancel was requested",
    (State.RUNNING, State.PENDING, "settle"): "returned unrun: the worker could not take it",
    (State.RUNNING, State.PENDING, "release"): "its worker ended and handed it back",
    (State.RUNNING, State.PENDING, "recover"): "its worker's lease passed",
    (State.RUNNING, State.SCHEDULED, "settle"): "deferred: this worker has no handler for the type",
    (State.SCHEDULED, State.PENDING, "promote"): "it is due",
    (State.SCHEDULED, State.PENDING, "resolve"): "all that it depends on has ended",
    (State.SCHEDULED, State.CANCELLED, "resolve"): "a task that it depends on did not complete",
    (State.FAILED, State.PENDING, "promote"): "its backoff is over",
    (State.FAILED, State.PENDING, "requeue"): "an operator does not wait for the backoff",
}


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join(
        [
            "# The states of a task",
            "",
            "<!-- Made by scripts/state_machine.py from shoal/model/transitions.py. -->",
            "",
            "A task is in exactly one state. Each move is made by one script of the broker, whole",
            "or not at all; the words on the arrows are the broker's verbs.",
            "",
            *diagram(),
            "",
            "## States",
            "",
            "| state | meaning | terminal |",
            "| --- | --- | --- |",
            *(f"| {s} | {MEANINGS[s]} | {'yes' if s in TERMINAL else ''} |" for s in State),
            "",
            "Other systems call the state *failed* that is DEAD here. A terminal task changes only",
            "when an operator requeues it or its retention ends.",
            "",
            "## Moves",
            "",
            "| from | to | verb | when |",
            "| --- | --- | --- | --- |",
            *moves(),
            "",
            "Every other move is refused.",
            "",
            "## Why a task is DEAD",
            "",
            "Its `reason` is one of these words, from `shoal/model/reason.py`.",
            "",
            "| reason | meaning |",
            "| --- | --- |",
            *(f"| `{reason}` | {meaning} |" for reason, meaning in DEAD_MEANINGS.items()),
            "",
        ]
    )


def diagram() -> list[str]:
    """The state diagram in Mermaid."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {state}: submit" for state in State if state in INITIAL]
    for origin, targets in TRANSITIONS.items():
        lines += [f"    {origin} --> {target}: {', '.join(v)}" for target, v in targets.items()]
    lines += [f"    {state} --> [*]: prune" for state in State if state in TERMINAL]
    return [*lines, "```"]


def moves() -> list[str]:
    """One row for each move and verb."""
    rows = [f"| | {state} | submit | |" for state in State if state in INITIAL]
    for origin, targets in TRANSITIONS.items():
        for target, verbs in targets.items():
            rows += [
                f"| {origin} | {target} | {verb} | {REASONS.get((origin, target, verb), '')} |"
                for verb in verbs
            ]
    return rows


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` compare it; 1 if it differs."""
    wanted = page()
    if arguments == ["--check"]:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted:
            return 0
        print("docs/state-machine.md is not what the table makes: run scripts/state_machine.py")
        return 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
