"""Process workers from the shard's side: one for each task that runs, kept for the next."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from loguru import logger

from shoal.errors import ProcessDied
from shoal.shard.failure import Failure
from shoal.shard.forks_wire import (
    Done,
    Ended,
    Extend,
    Failed,
    Frames,
    FromServer,
    FromWorker,
    Kill,
    Run,
    Said,
    Spawn,
    Stop,
    pack,
)
from shoal.shard.outcome import Raised
from shoal.shard.outcome import Stop as StopReason

if TYPE_CHECKING:
    from shoal.context import Desk, TaskContext
    from shoal.shard.deferred import Deferred
    from shoal.shard.fork_server import ForkServer
    from shoal.shard.ledger import Held

#: How long a handler that was told to stop has before its process is killed, in seconds.
ASKED_S: Final = 1.0
#: A worker that had nothing to do for this long is let go, in seconds.
IDLE_S: Final = 60.0
#: How long the end of a process may take to be told after its socket was closed, in seconds.
_TOLD_S: Final = 2.0
_READ_BYTES: Final = 1 << 18


class RaisedThere(Exception):
    """The handler raised in its process; holds what was judged there."""

    def __init__(self, raised: Raised) -> None:
        super().__init__(raised.failure.line)
        self.raised = raised


class NoForkServer(Exception):
    """The fork server is gone, and with it all process workers: the task is not to blame."""


class _Worker:
    """One process and the socket to it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.frames = Frames(FromWorker)
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        #: Our end of the socket, until a stream has it.
        self.link: socket.socket | None = None
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None
        self.idle_timer: asyncio.TimerHandle | None = None

    def say(self, message: Run | Stop) -> None:
        if self.writer is not None:
            self.writer.write(pack(message))

    def close(self) -> None:
        """The process sees the end of its socket, and ends."""
        if self.idle_timer is not None:
            self.idle_timer.cancel()
        if self.writer is not None:
            self.writer.close()
        elif self.link is not None:
            self.link.close()


class ProcessPool:
    """Runs handlers in processes of a fork server.

    A worker is forked when no idle one is there, so there are never more than tasks at once; the one
    that worked last is taken first, and one that has been idle for IDLE_S goes.
    """

    def __init__(
        self, server: ForkServer, desk: Desk, deferred: Deferred, lost: Callable[[], None]
    ) -> None:
        """Must be made in the event loop.

        Args:
            server: Forks the workers; closed by ``close``.
            desk: Takes what handlers say.
            deferred: Keeps the timers of idle workers.
            lost: Called when the server has died: no process can run here any more.
        """
        self._loop = asyncio.get_running_loop()
        self._control = server.control
        self._desk = desk
        self._deferred = deferred
        self._lost = lost
        self._frames = Frames(FromServer)
        self._workers: dict[int, _Worker] = {}
        self._idle: list[_Worker] = []
        self._last_number = 0
        self._is_gone = False
        self._control.setblocking(False)
        self._loop.add_reader(self._control.fileno(), self._hear)

    async def run(self, held: Held, context: TaskContext, payload: bytes) -> bytes:
        """Run a task's handler in a worker; returns the result's JSON.

        When it is cancelled, the handler is asked to stop and its process killed ASKED_S later; at
        once when nobody wants the outcome. What the handler returns or raises in that time counts.

        Raises:
            RaisedThere: The handler raised.
            ProcessDied: Its process ended without an answer.
            NoForkServer: No process can run here any more.
        """
        worker = self._idle.pop() if self._idle else self._spawn()
        try:
            if worker.reader is None:
                await self._connect(worker)
            if worker.idle_timer is not None:
                worker.idle_timer.cancel()
            worker.say(_message_of(context, payload))
            try:
                body = await self._answer(worker, held)
            except asyncio.CancelledError:
                body = await self._answer_in_time(worker, held, context)
        except RaisedThere:
            self._keep(worker)
            raise
        except BaseException:
            self._drop(worker)
            raise
        self._keep(worker)
        return body

    def close(self) -> None:
        """End all workers; the server sees the end of its socket, and kills what is left."""
        self._is_gone = True
        self._loop.remove_reader(self._control.fileno())
        for worker in self._workers.values():
            worker.close()
        self._control.close()

    # -- one worker

    def _spawn(self) -> _Worker:
        if self._is_gone:
            raise NoForkServer
        self._last_number += 1
        worker = self._workers[self._last_number] = _Worker(self._last_number)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # A few bytes to a process that does nothing but read them.
                socket.send_fds(self._control, [pack(Spawn(worker.number))], [theirs.fileno()])
            except OSError:
                ours.close()
                raise NoForkServer from None
        worker.link = ours
        return worker

    async def _connect(self, worker: _Worker) -> None:
        worker.reader, worker.writer = await asyncio.open_unix_connection(sock=worker.link)

    async def _answer(self, worker: _Worker, held: Held) -> bytes:
        assert worker.reader is not None  # noqa: S101 - connected
        while data := await worker.reader.read(_READ_BYTES):
            for message in worker.frames.feed(data):
                if isinstance(message, Done):
                    return message.body
                if isinstance(message, Failed):
                    raise RaisedThere(_raised(message))
                self._serve(message, held)
        raise ProcessDied(await self._how_it_ended(worker))

    async def _answer_in_time(self, worker: _Worker, held: Held, context: TaskContext) -> bytes:
        if context.cancel_reason in (StopReason.LOST, StopReason.RELEASED):
            raise asyncio.CancelledError
        worker.say(Stop(context.cancel_reason))
        try:
            async with asyncio.timeout(ASKED_S):
                return await self._answer(worker, held)
        except (TimeoutError, ProcessDied):
            # Killed, or gone by itself: either way it was stopped, which is what was asked for.
            raise asyncio.CancelledError from None

    def _serve(self, message: object, held: Held) -> None:
        if isinstance(message, Extend):
            self._desk.extend(held, message.seconds)
        elif isinstance(message, Said):
            if message.progress is not None:
                self._desk.progress(held, dict(message.progress))
            for level, text in message.lines:
                self._desk.log(held, level, text)

    async def _how_it_ended(self, worker: _Worker) -> str:
        try:
            async with asyncio.timeout(_TOLD_S):
                status = await asyncio.shield(worker.ended)
        except TimeoutError:
            return "its process closed its socket and goes on: it is killed"
        if self._is_gone:
            raise NoForkServer
        return _ending(status)

    def _keep(self, worker: _Worker) -> None:
        if self._is_gone or worker.ended.done():
            self._drop(worker)
            return
        self._idle.append(worker)
        worker.idle_timer = self._deferred.later(IDLE_S, partial(self._let_go, worker))

    def _let_go(self, worker: _Worker) -> None:
        if worker in self._idle:
            self._drop(worker)

    def _drop(self, worker: _Worker) -> None:
        """Kill it, whatever it is doing, and forget it."""
        if worker in self._idle:
            self._idle.remove(worker)
        self._workers.pop(worker.number, None)
        if not worker.ended.done() and not self._is_gone:
            try:
                self._control.send(pack(Kill(worker.number)))
            except OSError as error:
                logger.warning("a process can't be killed by its fork server: {}", error)
        worker.close()

    # -- the server

    def _hear(self) -> None:
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        for message in self._frames.feed(data):
            if isinstance(message, Ended):
                self._ended(message)
        if not data:
            self._server_ended()

    def _ended(self, message: Ended) -> None:
        worker = self._workers.pop(message.number, None)
        if worker is not None:
            worker.ended.set_result(message.wait_status)
            if worker in self._idle:
                self._drop(worker)

    def _server_ended(self) -> None:
        self._is_gone = True
        self._loop.remove_reader(self._control.fileno())
        logger.error("the fork server has ended: this shard retires")
        for worker in list(self._workers.values()):
            worker.ended.set_result(-1)
        self._lost()


def _message_of(context: TaskContext, payload: bytes) -> Run:
    return Run(
        context.type,
        context.id,
        context.attempt,
        dict(context.metadata),
        context.worker_id,
        payload,
    )


def _raised(message: Failed) -> Raised:
    failure = Failure(message.line, message.body, message.fingerprint)
    return Raised(failure, message.is_final, message.delay_s, message.is_bad_payload)


def _ending(wait_status: int) -> str:
    if wait_status == -1:
        return "no process could be forked for it"
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        hint = " (out of memory?)" if number == signal.SIGKILL else ""
        return f"its process was killed by {name}{hint}"
    return f"its process ended with exit status {os.waitstatus_to_exitcode(wait_status)}"
