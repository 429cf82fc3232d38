"""Why and how fast the shard shall end: signals, the supervisor's death, and its own reasons."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import Final

from loguru import logger

from shoal.errors import ExitStatus
from shoal.lifecycle import ORPHAN_EXIT_S

#: A retiring shard lets what runs beside the stuck handler finish for at most this long, in seconds.
RETIRE_S: Final = 10.0
#: How long the loop has, once the supervisor is gone, before the watching thread acts itself.
_LOOP_HAS_S: Final = 0.6
#: Left of ORPHAN_EXIT_S when the process is ended whatever it is doing.
_RESERVE_S: Final = 0.1


class Why(Enum):
    """Why a shard ends; the value says it to people."""

    TOLD = "told to stop"
    WISHED = "an operator asked for it"
    ORPHANED = "the supervisor is gone"
    RECYCLED = "its number of tasks or its memory is reached"
    FORKS = "its fork server has ended"
    STUCK = "a handler can't be stopped"
    DEAD = "this incarnation was released: it was silent for too long"
    REPLACED = "another worker has its name"
    DONE = "nothing is left to do"


class Control:
    """Records wishes; whoever stops the shard waits for them. All of it in the event loop."""

    def __init__(self, drain_s: float) -> None:
        """``drain_s``: how long a drain may take, in seconds."""
        self._drain_s = drain_s
        self._wish: asyncio.Future[Why] = asyncio.get_running_loop().create_future()
        #: Hand back now what still runs.
        self.hurry = asyncio.Event()
        #: Whether the shard has been ready.
        self.may_claim = False
        #: By when what runs must have ended, monotonic seconds; set by the first wish.
        self.deadline_s = float("inf")

    def stop(self, why: Why) -> None:
        """End: take nothing new, let what runs finish. The first reason counts."""
        if self._wish.done():
            return
        self.deadline_s = time.monotonic() + (
            min(RETIRE_S, self._drain_s) if why is Why.STUCK else self._drain_s
        )
        # One that can't claim yet has nothing to end: why it does not start is said elsewhere.
        logger.log("INFO" if self.may_claim else "DEBUG", "this shard ends: {}", why.value)
        self._wish.set_result(why)

    def stop_now(self, why: Why) -> None:
        """End, and hand back at once what still runs."""
        self.stop(why)
        self.hurry.set()

    async def wish(self) -> Why:
        """Wait until the shard shall end."""
        return await asyncio.shield(self._wish)

    @property
    def is_stopping(self) -> bool:
        """Whether the shard shall end."""
        return self._wish.done()

    def on_terminate(self) -> None:
        """SIGTERM: the first time drain, then release now."""
        if self._wish.done():
            self.stop_now(Why.TOLD)
        else:
            self.stop(Why.TOLD)

    def handle_signals(self) -> None:
        """React to SIGTERM from now on."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.on_terminate)


class OrphanWatch:
    """Ends the shard within ORPHAN_EXIT_S of its supervisor's death, whatever the loop is doing.

    Args:
        death_fd: Read end of the death pipe; end of file means that the supervisor is gone.
        orphaned: Called in the event loop: hand everything back and end.
        release: Does that without the loop, when user code blocks it; called in the watching thread.
    """

    def __init__(
        self, death_fd: int, orphaned: Callable[[], None], release: Callable[[], object]
    ) -> None:
        self._death_fd = death_fd
        self._orphaned = orphaned
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._is_heard = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="shoal-orphan", daemon=True)

    def start(self) -> None:
        """Begin to watch; the thread ends with the process."""
        self._thread.start()

    def _watch(self) -> None:
        with contextlib.suppress(OSError):
            os.read(self._death_fd, 1)
        net = threading.Timer(ORPHAN_EXIT_S - _RESERVE_S, os._exit, (int(ExitStatus.TRY_AGAIN),))
        net.daemon = True
        net.start()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the shard is ending anyway
            self._loop.call_soon_threadsafe(self._hear)
        if self._is_heard.wait(_LOOP_HAS_S):
            return
        with contextlib.suppress(Exception):
            self._release()
        os._exit(int(ExitStatus.TRY_AGAIN))

    def _hear(self) -> None:
        self._is_heard.set()
        self._orphaned()
