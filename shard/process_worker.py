"""A process worker: runs one handler at a time in its main thread, for as long as its shard wants."""

from __future__ import annotations

import asyncio
import inspect
import os
import queue
import select
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from shoal.codec import encode_result
from shoal.context import TaskContext
from shoal.errors import InvalidPayload
from shoal.model.note import MAX_LOG_LINES
from shoal.shard.failure import describe, plain
from shoal.shard.forks_wire import Done, Extend, Failed, Frames, FromWorker, Run, Said, Stop, pack
from shoal.shard.forks_wire import ToWorker as _ToWorker
from shoal.shard.outcome import Raised, judge
from shoal.telemetry.logs import task_id as logged_task_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shoal.shard.handlers import Handler

#: What a handler reports is sent at most this often, in seconds.
_SPACING_S: Final = 0.2


class Worker:
    """One worker over its end of a socket.

    A second thread reads the socket, so that a stop reaches a handler that runs; when the shard is
    gone it ends the process whatever the handler is doing.
    """

    def __init__(self, link: socket.socket, handlers: Mapping[str, Handler]) -> None:
        self._link = link
        self._handlers = handlers
        self._runs: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._saying = threading.Lock()
        self._context: TaskContext | None = None
        self._run: Run | None = None
        #: A run was received and is not answered.
        self._is_busy = False
        #: Why the run should stop; it may be told before its context is made.
        self._stop_reason = ""
        self._progress: dict[str, Any] | None = None
        self._lines: list[tuple[str, str]] = []
        self._said_s = 0.0

    def work(self) -> None:
        """Run what comes; the process ends when the socket is closed at the other end."""
        threading.Thread(target=self._listen, name="shoal-link", daemon=True).start()
        while True:
            self._run = run = self._runs.get()
            answer = self._answer(run)
            self._run, self._context, self._is_busy = None, None, False
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            self._say(now=True)
            self._send(answer)

    # -- the desk of the context: called by the handler, from any of its threads

    def extend(self, run: Any, seconds: float) -> None:
        """See ``TaskContext.extend``."""
        if run is self._run:
            self._send(Extend(seconds))

    def progress(self, run: Any, document: dict[str, Any]) -> None:
        """The last report counts."""
        if run is not self._run:
            return  # a thread that outlived its handler
        with self._saying:
            self._progress = document
        self._say()

    def log(self, run: Any, level: str, message: str) -> None:
        """One line more; of those that were not sent yet the last are kept."""
        if run is not self._run:
            return
        with self._saying:
            self._lines.append((level, message))
            del self._lines[:-MAX_LOG_LINES]
        self._say()

    # -- inside

    def _answer(self, run: Run) -> Done | Failed:
        logged_task_id.set(run.id)
        handler = self._handlers.get(run.type)
        if handler is None:
            return _failed(Raised(plain("NoHandler", f"no handler for {run.type!r}")))
        try:
            payload = handler.convert(run.payload)
        except InvalidPayload as error:
            return _failed(Raised(describe(error), is_bad_payload=True))
        except BaseException as error:  # noqa: BLE001 - a model's validator is user code
            return _failed(judge(error, handler.rules))
        context = TaskContext(run.id, run.type, run.attempt, run.metadata, run.worker_id, self, run)
        self._context = context
        if self._stop_reason:
            context.request_stop(self._stop_reason)
        try:
            result = handler.function(context, payload)
            if inspect.isawaitable(result):
                result = asyncio.run(_awaited(result))
            return Done(encode_result(result))
        except BaseException as error:  # noqa: BLE001 - user code must not end a worker
            return _failed(judge(error, handler.rules))

    def _listen(self) -> None:
        frames = Frames(_ToWorker)
        while True:
            # Also looked at in between: what a handler said last must not wait for its next word.
            if not select.select([self._link], [], [], _SPACING_S if self._is_busy else None)[0]:
                self._say()
                continue
            try:
                data = self._link.recv(1 << 20)
            except OSError:
                data = b""
            if not data:
                os._exit(0)
            for message in frames.feed(data):
                if isinstance(message, Run):
                    self._is_busy, self._stop_reason = True, ""
                    self._runs.put(message)
                elif isinstance(message, Stop):
                    self._stop_reason = message.reason
                    if (context := self._context) is not None:
                        context.request_stop(message.reason)

    def _say(self, *, now: bool = False) -> None:
        with self._saying:
            is_early = not now and time.monotonic() - self._said_s < _SPACING_S
            if is_early or (self._progress is None and not self._lines):
                return
            self._said_s = time.monotonic()
            progress, self._progress = self._progress, None
            lines, self._lines = self._lines, []
        self._send(Said(progress, lines))

    def _send(self, message: FromWorker) -> None:
        with self._sending:
            try:
                self._link.sendall(pack(message))
            except OSError:  # the shard is gone
                os._exit(0)


def _failed(raised: Raised) -> Failed:
    line, body, fingerprint = raised.failure
    return Failed(line, body, fingerprint, raised.is_final, raised.delay_s, raised.is_bad_payload)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
