"""Says which task holds up the event loop, while it does."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loguru import logger

import shoal

if TYPE_CHECKING:
    from shoal.page import Page
    from shoal.shard.ledger import Ledger
    from shoal.telemetry.metrics import Metrics

#: The loop counts as blocked when it has not turned for this long, in seconds.
BLOCKED_S: Final = 1.0
_FRAMES: Final = 12
_PACKAGE: Final = f"{Path(shoal.__file__).parent}/"
_SHARD: Final = f"{_PACKAGE}shard/"


class LoopWatch:
    """Watched by the renew thread, fed by the event loop.

    The thread needs the interpreter's lock, so it sees Python code that blocks the loop. C code that
    keeps the lock silences it too; then the supervisor sees the page's tick stand.
    """

    def __init__(self, page: Page, ledger: Ledger, metrics: Metrics) -> None:
        """Made in the event loop's thread, which is the one it watches."""
        self._page = page
        self._ledger = ledger
        self._metrics = metrics
        self._thread_id = threading.get_ident()
        self._turned_s = time.monotonic()
        self._blocked_since: float | None = None
        self._say_again_s = BLOCKED_S

    def turned(self, late_s: float) -> None:
        """The loop turns, this much later than it should have; called by the loop, several times a second."""
        self._turned_s = time.monotonic()
        self._metrics.loop_lag.observe(max(0.0, late_s))

    def look(self) -> bool:
        """Whether the loop is blocked now; logs it when it begins, and each time it has lasted twice as long."""
        turned_s = self._turned_s
        silent_s = time.monotonic() - turned_s
        if silent_s < BLOCKED_S:
            if self._blocked_since is not None:
                logger.warning(
                    "the event loop turns again; it was blocked for {:.1f} s",
                    turned_s - self._blocked_since,
                )
                self._blocked_since = None
                self._say_again_s = BLOCKED_S
                self._metrics.loop_blocked.set(0.0)
            return False
        self._metrics.loop_blocked.set(silent_s)
        if self._blocked_since is None:
            self._blocked_since = turned_s
        if silent_s >= self._say_again_s:
            self._say_again_s = 2 * silent_s
            self._say(silent_s)
        return True

    def _say(self, silent_s: float) -> None:
        executing = [
            slot for slot in self._page.snapshot().executing if self._is_on_loop(slot.index)
        ]
        stack = self._stack()
        if executing:
            task = executing[0]
            logger.bind(task=task.task_id.decode("ascii", "replace"), stack=stack).warning(
                "{} blocks the event loop for {:.1f} s; use `def` for code that does not await",
                task.type.decode("utf-8", "replace"),
                silent_s,
            )
        else:
            logger.bind(stack=stack).warning(
                "the event loop is blocked for {:.1f} s, by no task's code", silent_s
            )

    def _is_on_loop(self, slot: int) -> bool:
        held = self._ledger.in_slot(slot)
        handler = held.handler if held is not None else None
        return handler is not None and not handler.in_thread and not handler.is_process

    def _stack(self) -> str:
        """Where the loop's thread stands: file, line and function, innermost last."""
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - the only way to see it
        if frame is None:
            return ""
        frames = of_interest(traceback.extract_stack(frame))[-_FRAMES:]
        return " > ".join(f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in frames)


def of_interest(stack: Sequence[traceback.FrameSummary]) -> Sequence[traceback.FrameSummary]:
    """The part of a shard's stack, innermost last, that tells its reader what blocks.

    What the handler called, without the supervisor and the loop below it; where no handler runs,
    what the loop called.
    """
    in_shard = [at for at, frame in enumerate(stack) if frame.filename.startswith(_SHARD)]
    for at in in_shard:
        if stack[at].filename.endswith("/invokers.py"):
            inner = at + 1
            while inner < len(stack) and stack[inner].filename.startswith(_PACKAGE):
                inner += 1
            return stack[inner:] or stack[at:]
    runs = [at for at in in_shard if stack[at].filename == f"{_SHARD}main.py"]
    return stack[runs[-1] + 1 :] if runs else stack
