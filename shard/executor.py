"""Runs claimed tasks: decode → invoke → decide the outcome → report it.

Every handler runs in an asyncio task of its own, which the ledger holds. No task costs a timer, a
lock or a log line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final

from loguru import logger

from shoal.broker.results import Claim, Outcome, OutcomeWord
from shoal.codec import decode_spec, encode_result
from shoal.context import TaskContext
from shoal.errors import InvalidPayload
from shoal.model.attempt import count_attempts, line_tail
from shoal.model.transitions import State
from shoal.page import Page
from shoal.sealed import payload_of, seal_outcome
from shoal.shard import outcome
from shoal.shard.deadlines import Deadlines
from shoal.shard.decision import BadPayload, after_exception, after_timeout, without_handler
from shoal.shard.deferred import Deferred
from shoal.shard.handlers import Handler
from shoal.shard.invokers import ThreadInvoker, run_marked
from shoal.shard.ledger import Held, Ledger
from shoal.shard.notes import Notes
from shoal.shard.outcome import Stop, Verdict
from shoal.shard.process_pool import NoForkServer, ProcessPool
from shoal.telemetry.logs import task_id as logged_task_id
from shoal.telemetry.meter import TaskMeter
from shoal.vault import SEALED, Vault

#: How long after its timeout a handler may take to stop, in seconds, before it counts as stuck.
GRACE_S: Final = 5.0

_STATES: Final[dict[OutcomeWord, str]] = {
    "completed": State.COMPLETED.value,
    "failed": State.FAILED.value,
    "dead": State.DEAD.value,
    "cancelled": State.CANCELLED.value,
}
_NOTHING: Final[Mapping[str, str]] = {}
#: After these the outcome would be refused, so nothing is reported.
_SILENT: Final = frozenset({Stop.LOST, Stop.RELEASED})

_monotonic = time.monotonic


class Executor:
    """Owns all that runs in this shard.

    Args:
        ledger: Where what is claimed stands.
        handlers: By type.
        page: Shared with the supervisor.
        report: Takes an outcome to be settled; must not wait.
        deferred: Keeps the one timer, and is told of bugs.
        overrun: Called when a handler could not be stopped within ``GRACE_S`` of its timeout.
        notes: Takes what handlers say of themselves.
        processes: Runs ``process=True`` handlers; ``None`` = there is no such type.
        meter: Accounts for every run.
        worker_name: ``<WORKER_ID>-<index>``, as handlers see it.
        max_result_bytes: A larger result is refused.
        rng: Draws the jitter of retries.
        vault: Opens payloads, seals what is recorded; ``None`` = nothing is encrypted.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        handlers: Mapping[bytes, Handler],
        page: Page,
        report: Callable[[int, Outcome], None],
        overrun: Callable[[], None],
        deferred: Deferred,
        notes: Notes,
        processes: ProcessPool | None,
        meter: TaskMeter,
        worker_name: str,
        max_result_bytes: int,
        rng: Random,
        vault: Vault | None = None,
    ) -> None:
        self._vault = vault
        self._loop = asyncio.get_running_loop()
        self._ledger = ledger
        self._handlers = handlers
        self._page = page
        self._report = report
        #: Called whenever a handler has ended; must not wait.
        self.slot_freed: Callable[[], None] = _nobody
        self._overrun = overrun
        self._deferred = deferred
        self._notes = notes
        self._processes = processes
        self._meter = meter
        self._worker_name = worker_name
        self._max_result_bytes = max_result_bytes
        self._rng = rng
        self._threads = ThreadInvoker(ledger.concurrency, page)
        self._deadlines = Deadlines()
        self._timer: asyncio.TimerHandle | None = None
        self._ended_busy_s = 0.0
        #: Every outcome decided here; and of these, those that were failures.
        self.processed = 0
        self.failed = 0

    def start(self, partition: int, claims: Sequence[Claim], clock_offset_ms: float) -> int:
        """Begin to run what was claimed; ignores what is held already.

        What finds no free slot is handed back: a reply that came late may bring tasks to a shard
        which has filled its slots meanwhile.

        Args:
            partition: Where it was claimed.
            claims: The tasks.
            clock_offset_ms: Redis wall time minus the monotonic clock, at the claim's reply.

        Returns:
            How many were begun.
        """
        table = self._ledger.tables[partition]
        free_slots = self._ledger.free_slots
        begun = 0
        for token, id_, type_, spec, history in claims:
            if token in table:
                continue
            if not free_slots:
                self.hand_back(partition, token, id_, type_, "full")
                continue
            slot = free_slots.pop()
            held = Held(
                partition, token, id_, type_, spec, history,
                self._handlers.get(type_), slot, clock_offset_ms,
            )  # fmt: skip
            table[token] = held
            self._page.set_slot(slot, partition, token, id_, type_)
            begun += 1
            held.task = asyncio.Task(self._run(held), loop=self._loop, name="shoal-task")
        return begun

    def hand_back(self, partition: int, token: bytes, id: bytes, type: bytes, reason: str) -> None:
        """Settle a task ``returned``: it goes before all others, to whoever claims next."""
        tail = line_tail(0, 0, reason)
        self._report(partition, Outcome(token, id, type, "returned", reason.encode(), b"", tail))

    def stop(self, held: Held, why: Stop) -> None:
        """Stop a handler; one that ends first by itself is recorded as it ended.

        The first reason decides the outcome, except that a lost or released task has none.
        """
        if held.has_ended or (held.stop is not None and why not in _SILENT):
            return
        held.stop = why
        if held.context is not None:
            held.context.request_stop(why.value)
        # A thread can't be stopped, only asked. A task that has not begun must not be cancelled:
        # asyncio would end it before the first line of ours, and nobody would report it.
        if held.has_begun and held.task is not None and not _runs_in_thread(held):
            held.task.cancel()

    def stop_all(self, why: Stop) -> list[asyncio.Task[None]]:
        """Stop everything that runs; returns the tasks to wait for (threads are not among them)."""
        running = self._ledger.running_tasks()
        for held in running:
            self.stop(held, why)
        return [
            held.task for held in running if held.task is not None and not _runs_in_thread(held)
        ]

    def busy_s(self, now_s: float) -> float:
        """Seconds that slots have been busy so far, all added up; ``now_s`` is monotonic."""
        running = self._ledger.running_tasks()
        return self._ended_busy_s + sum(
            now_s - held.started_s for held in running if held.has_begun
        )

    def close(self) -> None:
        """Take nothing more; a thread that still runs is left to the end of the process."""
        if self._timer is not None:
            self._timer.cancel()
        self._threads.close()
        if self._processes is not None:
            self._processes.close()
        for held in self._ledger.running_tasks():
            if held.task is not None:
                held.task.cancel()

    async def _run(self, held: Held) -> None:
        page, slot = self._page, held.slot
        page.executing(slot)
        held.has_begun = True
        held.started_s = _monotonic()
        handler = held.handler
        try:
            try:
                if held.stop is not None:
                    raise asyncio.CancelledError  # noqa: TRY301 - stopped before its first step
                if handler is None:
                    verdict = without_handler(held, self._rng)
                else:
                    context, raw = self._prepare(held, handler)
                    if handler.is_process:
                        verdict = await self._run_in_process(held, context, raw)
                    else:
                        try:
                            payload = handler.convert(raw)
                        except InvalidPayload as error:
                            raise BadPayload(error) from None
                        if handler.in_thread:
                            run = self._threads.run(handler.function, context, payload, slot)
                            result = await run
                        else:
                            run_here = run_marked(handler.function(context, payload), page, slot)
                            result = await run_here
                        verdict = self._check_result(encode_result(result))
            except BaseException as error:  # noqa: BLE001 - user code must not end a shard
                verdict = after_exception(held, error, self._rng)
            self._end(held, *verdict)
        except Exception as error:  # noqa: BLE001 - our own, so it must end the shard
            self._deferred.fail(error)

    def _check_result(self, body: bytes) -> Verdict:
        if len(body) > self._max_result_bytes:
            return outcome.after_large_result(len(body), self._max_result_bytes)
        return Verdict("completed", b"", body)

    async def _run_in_process(self, held: Held, context: TaskContext, raw: bytes) -> Verdict:
        assert self._processes is not None  # noqa: S101 - made wherever a type needs it
        self._page.idle()
        try:
            body = await self._processes.run(held, context, raw)
        except NoForkServer:
            return outcome.handed_back("no_fork_server")
        self._page.executing(held.slot)
        return self._check_result(body)

    def _prepare(self, held: Held, handler: Handler) -> tuple[TaskContext, bytes]:
        """The handler's context and the payload's JSON; starts the clock of its timeout."""
        logged_task_id.set(id_ := held.id.decode())
        spec = decode_spec(held.spec)
        payload = spec.payload
        if payload[:1] == SEALED:
            payload = payload_of(self._vault, id_, payload)
        if held.history is not None:
            held.attempt = count_attempts(held.history) + 1
        timeout_s = held.timeout_s = spec.timeout_s or handler.timeout_s
        deadline = held.deadline = held.started_s + timeout_s
        if deadline < self._deadlines.next_at and self._deadlines.note(deadline):
            self._set_timer(held.started_s)
        context = held.context = TaskContext(
            id_, handler.name, held.attempt, spec.metadata or _NOTHING, self._worker_name,
            self._notes, held,
        )  # fmt: skip
        return context, payload

    def _end(self, held: Held, word: OutcomeWord, detail: bytes, body: bytes, line: str) -> None:
        """Free the slot and report. Nothing here waits, so nothing can cancel it."""
        page = self._page
        page.idle()
        if held.has_ended:
            return
        held.has_ended = True
        if held.note is not None:
            self._notes.flush(held)
        page.clear_slot(held.slot)
        self._ledger.free_slots.append(held.slot)
        if held.stop is not None and held.stop in _SILENT:
            self._ledger.drop(held)
            self.slot_freed()
            return
        started_s = held.started_s
        seconds = _monotonic() - started_s
        self._ended_busy_s += seconds
        start_ms = int(started_s * 1000 + held.clock_offset_ms)
        tail = line_tail(start_ms, int(seconds * 1e6), word, line)
        if self._vault is not None:
            body, tail = seal_outcome(self._vault, held.id.decode(), word, detail, body, tail)
        self._report(
            held.partition, Outcome(held.token, held.id, held.type, word, detail, body, tail)
        )
        if word in _STATES:
            self.processed += 1
            self._meter.ended(held.type, _STATES[word], seconds)
            if word == "failed":
                self._meter.retried(held.type)
                self.failed += 1
            elif word == "dead":
                self.failed += 1
        self.slot_freed()

    def _set_timer(self, now_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # The loop's clock counts whole milliseconds; rounding up saves a look that comes too early.
        delay_s = self._deadlines.next_at - now_s + 0.001
        self._timer = self._deferred.later(delay_s, self._look)

    def _look(self) -> None:
        """Stop what is past its timeout; give up on what was stopped and does not end."""
        self._timer = None
        now_s = _monotonic()
        for held in self._deadlines.sweep(now_s, self._ledger.running_tasks()):
            if not held.is_overdue:
                held.is_overdue = True
                held.deadline = now_s + GRACE_S
                self._deadlines.note(held.deadline)
                self.stop(held, Stop.TIMEOUT)
            else:
                held.deadline = float("inf")
                self._give_up(held)
        if self._deadlines.next_at < float("inf"):
            self._set_timer(now_s)

    def _give_up(self, held: Held) -> None:
        """Record a handler that does not stop, while it still runs: its shard will be replaced."""
        logger.bind(task=held.id.decode()).error(
            "{} does not stop {:g} s after its timeout of {:g} s; this shard retires",
            held.type.decode(), GRACE_S, held.timeout_s,
        )  # fmt: skip
        if held.stop is Stop.CANCEL:
            self._end(held, *outcome.after_cancel())
        else:
            self._end(held, *after_timeout(held, None, self._rng, is_stuck=True))
        self._overrun()


def _nobody() -> None:
    """Nobody wants to know yet."""


def _runs_in_thread(held: Held) -> bool:
    return held.handler is not None and held.handler.in_thread
