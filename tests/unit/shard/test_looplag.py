"""Which part of a stack the loop-lag watch shows."""

import traceback
from pathlib import Path

import pytest

import shoal
from shoal.shard.looplag import of_interest

PACKAGE = Path(shoal.__file__).parent
BELOW = [
    "/usr/bin/shoal", f"{PACKAGE}/cli/main.py", f"{PACKAGE}/supervisor/child.py", f"{PACKAGE}/shard/main.py",
    "/lib/asyncio/runners.py", f"{PACKAGE}/shard/executor.py",
]  # fmt: skip
INVOKER = f"{PACKAGE}/shard/invokers.py"
USER = ["/srv/tasks.py", "/lib/json/decoder.py"]


@pytest.mark.parametrize(
    ("stack", "shown"),
    [
        ([*BELOW, INVOKER, *USER], USER),
        ([*BELOW, INVOKER, INVOKER, *USER], USER),
        # What the handler calls of ours, such as its context, is the handler's doing.
        ([*BELOW, INVOKER, USER[0], f"{PACKAGE}/context.py"], [USER[0], f"{PACKAGE}/context.py"]),
        ([*BELOW, INVOKER], [INVOKER]),
        (BELOW, BELOW[4:]),
        (USER, USER),
        ([], []),
    ],
)
def test_a_stack_begins_with_the_handler(stack: list[str], shown: list[str]) -> None:
    """Without the supervisor and the loop below it; where no handler runs, with what the loop called."""
    frames = [traceback.FrameSummary(name, 1, "f", lookup_line=False) for name in stack]
    assert [frame.filename for frame in of_interest(frames)] == shown
