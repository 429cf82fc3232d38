"""Operations over many tasks that everybody can look at, stop, and go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from shoal.broker import keys
from shoal.broker.namespace_calls import run_on
from shoal.model.selection import BulkVerb, Selection
from shoal.model.task import format_time, from_unix_ms

if TYPE_CHECKING:
    from shoal.broker.broker import Broker

#: How many are remembered.
MAX_OPERATIONS: Final = 1000
#: How long one is known after it was last carried on, in seconds: as long as its steps are.
LIFETIME_S: Final = 86_400
#: After what silence another process goes on with it, in milliseconds.
SILENCE_MS: Final = 10_000

OpenStatus = Literal["new", "known", "conflict"]
BeatStatus = Literal["go", "stop", "taken", "gone", "ended"]
EndState = Literal["finished", "stopped", "failed"]


class OperationRecord(msgspec.Struct, kw_only=True):
    """What is wished."""

    id: str
    verb: BulkVerb
    selection: Selection
    #: Of cancels.
    reason: str
    #: The principal's name.
    by: str
    #: Tasks a second; ``None`` = as fast as it goes.
    rate: float | None = None


class Progress(msgspec.Struct):
    """How far it is: of all parts (a partition and a state each) so many are done."""

    answers: dict[str, int] = {}
    parts: int = 0
    done: int = 0


class Tracked(NamedTuple):
    """An operation and how far it is; times are Unix ms by Redis' clock."""

    record: OperationRecord
    state: str
    started_ms: int
    ended_ms: int | None
    is_stopping: bool
    #: Nobody carries it on just now.
    is_idle: bool
    progress: Progress
    error: str

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        selection = self.record.selection
        chosen: dict[str, Any] = {"task_ids": len(selection.ids)} if selection.ids else {}
        for name in ("type", "fingerprint", "queue"):
            if (value := getattr(selection, name)) is not None:
                chosen[name] = value
        if selection.states:
            chosen["states"] = [state.value for state in selection.states]
        for name in ("since", "until"):
            if (at_ms := getattr(selection, f"{name}_ms")) is not None:
                chosen[name] = format_time(from_unix_ms(at_ms))
        state = "stopping" if self.is_stopping and self.state == "running" else self.state
        return {
            "id": self.record.id,
            "verb": self.record.verb.value,
            "state": state,
            "selection": chosen,
            "by": self.record.by,
            "rate": self.record.rate,
            "started_at": format_time(from_unix_ms(self.started_ms)),
            "ended_at": None if self.ended_ms is None else format_time(from_unix_ms(self.ended_ms)),
            "answers": self.progress.answers,
            "tasks": sum(self.progress.answers.values()),
            "progress": 1.0
            if self.state == "finished"
            else round(self.progress.done / max(1, self.progress.parts), 4),
            "error": self.error or None,
        }


class OperationStore:
    """Reads and writes the operations of a namespace.

    Args:
        broker: Its connection is shared.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._key = keys.operations(broker.settings.namespace)

    async def open(self, record: OperationRecord) -> OpenStatus:
        """Make it known; one that was stopped goes on."""
        raw = msgspec.json.encode(record)
        digest = record.selection.digest(record.verb, record.reason, record.rate)
        reply = await self._run(
            "operation_open", record.id, raw, digest, LIFETIME_S, MAX_OPERATIONS
        )
        status: OpenStatus = reply.decode()
        return status

    async def beat(
        self, operation_id: str, runner: str, progress: Progress | None = None
    ) -> BeatStatus:
        """Say that ``runner`` carries it on, and how far it is."""
        raw = b"" if progress is None else msgspec.json.encode(progress)
        reply = await self._run("operation_beat", operation_id, runner, SILENCE_MS, raw, LIFETIME_S)
        status: BeatStatus = reply.decode()
        return status

    async def end(
        self, operation_id: str, state: EndState, progress: Progress, error: str = ""
    ) -> None:
        """It is over, or stops here."""
        raw = msgspec.json.encode(progress)
        await self._run("operation_end", operation_id, state, raw, error[:400], LIFETIME_S)

    async def stop(self, operation_id: str) -> bool | None:
        """Let it stop after its next step; whether it runs, ``None`` = it is not known."""
        reply = await self._run("operation_stop", operation_id)
        return None if reply < 0 else reply == 1

    async def find(self, operation_id: str) -> Tracked | None:
        """One of them."""
        found = await self._read(operation_id, 1, "")
        return found[0] if found else None

    async def newest(self, limit: int = 50) -> list[Tracked]:
        """The newest first."""
        return await self._read("", limit, "")

    async def running(self) -> list[Tracked]:
        """Those that are not over, of all that are remembered."""
        return await self._read("", MAX_OPERATIONS, "running")

    async def _read(self, operation_id: str, limit: int, state: str) -> list[Tracked]:
        reply = await self._run("operation_read", operation_id, limit, state)
        now_ms = int(reply[0])
        fields = iter(reply[1:])
        return [
            Tracked(
                msgspec.json.decode(raw, type=OperationRecord),
                state.decode(),
                int(started),
                int(ended) if ended else None,
                stop == 1,
                not beat or now_ms - int(beat) > SILENCE_MS,
                msgspec.json.decode(progress, type=Progress) if progress else Progress(),
                error.decode(),
            )
            for _, raw, state, started, beat, stop, progress, error, ended in zip(
                *[fields] * 9, strict=True
            )
        ]

    async def _run(self, verb: str, *arguments: bytes | str | int) -> Any:
        return await run_on(self._broker, self._key, verb, *arguments)
