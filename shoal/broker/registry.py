"""The registry of live workers: who beats, what is wished of them, and who has a name."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from shoal.broker import keys
from shoal.broker.broker import Broker
from shoal.broker.namespace_calls import run_on
from shoal.errors import ExitStatus, StartupError
from shoal.model.identity import Incarnation
from shoal.model.worker import WorkerRecord

log = logging.getLogger("shoal.broker")

#: How long a worker's record stays after its last heartbeat, in seconds.
RECORD_LIFETIME_S = 3600
#: A worker is lost when it missed so many heartbeats.
MISSED_HEARTBEATS = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """What a heartbeat's reply says.

    Attributes:
        desired: ``paused``, ``shutdown`` or empty.
        epoch: Of the namespace's settings; 0 = unknown.
        taken_by: Another incarnation has this worker's name now; empty = nobody.
    """

    desired: str
    epoch: int
    taken_by: str


class Told(NamedTuple):
    """What a worker measured since it last told: how long tasks waited and ran.

    Attributes:
        number: Of the report, from 1 on; the same one again adds nothing.
        measured: As ``Times.take`` writes it; empty = nothing.
    """

    number: int
    measured: str


_NOTHING_TOLD = Told(0, "")


@dataclass(frozen=True, slots=True)
class KnownWorker:
    """A worker that lives, or left within the last hour.

    Attributes:
        record: What it said last.
        desired: What is wished of it: ``paused``, ``shutdown`` or empty.
        left: Why it is gone: ``shutdown``, ``lost`` or ``crashed``; empty = it lives.
        left_ms: When, Unix milliseconds.
    """

    record: WorkerRecord
    desired: str
    left: str
    left_ms: int | None


class Registry:
    """Reads and writes the workers' records of a namespace.

    Args:
        broker: Its connection is shared.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._key = keys.workers(broker.settings.namespace)
        self._missed_ms = round(broker.settings.worker.heartbeat_s * MISSED_HEARTBEATS * 1000)

    async def beat(self, record: WorkerRecord, told: Told = _NOTHING_TOLD) -> Wish:
        """One heartbeat, with what was measured since the last one.

        Raises:
            BrokerUnavailable: Redis is away; the next one will do.
        """
        incarnation = Incarnation.parse(record.incarnation)
        reply = await self._run(
            "worker_beat",
            incarnation.name,
            record.incarnation,
            msgspec.json.encode(record),
            RECORD_LIFETIME_S,
            *told,
        )
        if reply[0] == b"taken":
            return Wish("", 0, reply[1].decode())
        return Wish(reply[1].decode(), int(reply[2] or 0), "")

    async def leave(self, incarnation: str, cause: str, told: Told = _NOTHING_TOLD) -> None:
        """Say that a worker is gone: ``shutdown``, ``lost`` or ``crashed``. Its record stays an hour."""
        name = Incarnation.parse(incarnation).name
        await self._run("worker_leave", name, incarnation, cause, RECORD_LIFETIME_S, *told)

    async def live(self) -> list[WorkerRecord]:
        """The records of all live workers, by name; who missed three heartbeats leaves as lost."""
        rows = await self._live(with_records=True)
        records = []
        for name, incarnation, beat, raw, _ in rows:
            try:
                records.append(msgspec.json.decode(raw, type=WorkerRecord))
            except msgspec.MsgspecError:
                log.warning(
                    "the record of worker %s (%s, %s) can't be read", name, incarnation, beat
                )
        return sorted(records, key=lambda record: record.id)

    async def live_names(self) -> list[str]:
        """The names of all live workers, sorted; cheaper than :meth:`live`."""
        return sorted(row[0].decode() for row in await self._live(with_records=False))

    async def find(self, name: str) -> KnownWorker | None:
        """One worker by its name, ``web1-0``; ``None`` = none has lived within the last hour."""
        reply = await self._run("worker_read", name)
        if not reply:
            return None
        record = msgspec.json.decode(reply[0], type=WorkerRecord)
        left_ms = int(reply[4]) if reply[4] else None
        return KnownWorker(record, reply[2].decode(), reply[3].decode(), left_ms)

    async def wish(self, name: str, desired: str) -> str:
        """Wish that a worker be ``paused``, ``shutdown`` or neither (empty); it hears of it with its heartbeat.

        Returns:
            ``changed``, ``same``, ``shutting_down`` (that is not taken back) or ``not_found``.
        """
        reply: bytes = await self._run("worker_wish", name, desired)
        return reply.decode()

    async def tell_depth(self, queue: str, priority: int, depth: int, level: str) -> None:
        """Let all who follow events know that a queue and priority has reached another level."""
        await self._run("depth_told", f"{queue}:{priority}", depth, level)

    async def take_name(self, record: WorkerRecord, replaces: str | None = None) -> str | None:
        """Take this worker's name; at a start, before anything is claimed.

        Another incarnation that still beats is watched for one heartbeat and a second.

        Args:
            record: The new worker's; its ``incarnation`` takes the name.
            replaces: The incarnation that is known to be dead.

        Returns:
            The former incarnation whose tasks must be released now, or ``None``.

        Raises:
            StartupError: A live worker has the name (``worker_id_taken``).
            BrokerUnavailable: Redis is away.
        """
        me = Incarnation.parse(record.incarnation)
        raw = msgspec.json.encode(record)
        seen = ""
        stale_ms = 15_000
        while True:
            reply = await self._run(
                "worker_register",
                me.name,
                record.incarnation,
                raw,
                replaces or "",
                seen,
                RECORD_LIFETIME_S,
            )
            if reply[0] == b"ok":
                return reply[1].decode() or None
            holder, beat, now = reply[1].decode(), int(reply[2]), int(reply[3])
            if seen:
                raise StartupError(
                    f"the worker id {me.worker_id!r} is taken: {holder} is alive",
                    "Give each host its own WORKER_ID, or stop the other worker first.",
                    ExitStatus.WORKER_ID_TAKEN,
                )
            if now - beat < stale_ms:
                log.info(
                    "%s had a heartbeat %d ms ago: watching whether it lives", holder, now - beat
                )
                await asyncio.sleep(self._broker.settings.worker.heartbeat_s + 1)
            seen = str(beat)

    async def _live(self, *, with_records: bool) -> list[tuple[bytes, bytes, bytes, bytes, bytes]]:
        reply = await self._run(
            "worker_live", self._missed_ms, RECORD_LIFETIME_S, int(with_records)
        )
        fields = iter(reply[1:])
        return list(zip(fields, fields, fields, fields, fields, strict=True))

    async def _run(self, verb: str, *arguments: bytes | str | int) -> Any:
        return await run_on(self._broker, self._key, verb, *arguments)
