"""Dependencies across partitions: notices in the outbox of one, delivered to another.

A notice is ``watch <ms> <parent> <child>`` (the child, which stands here, waits for a parent elsewhere) or
``finished <state> <ms> <parent>`` (the parent, which stands here, has dependents to be told). Delivering one
is safe to repeat, late and by several processes at once.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Self

from shoal.broker.broker import Broker
from shoal.broker.calls import Argument, Call
from shoal.broker.calls import ms as to_ms
from shoal.broker.scripts import script
from shoal.model.identity import partition_of

#: The most notices, or tasks told of one, in a call.
MAX_NOTICES = 256
#: How long who took a notice has it for himself, in seconds; then it is due again.
TAKEN_S = 5.0

Ended = Literal["COMPLETED", "DEAD", "CANCELLED", "gone"]


class Notice(NamedTuple):
    """One notice, as it stands in an outbox."""

    text: str
    kind: Literal["watch", "finished"]
    #: When it was written, by Redis' clock.
    written_ms: int
    parent: str
    #: Of ``watch``.
    child: str = ""
    #: Of ``finished``: how the parent ended.
    state: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a member of an outbox.

        Raises:
            ValueError: It is no notice.
        """
        kind, _, rest = text.partition(" ")
        words = rest.split(" ")
        if len(words) == 3 and kind == "watch":
            return cls(text, "watch", int(words[0]), words[1], child=words[2])
        if len(words) == 3 and kind == "finished":
            return cls(text, "finished", int(words[1]), words[2], state=words[0])
        raise ValueError(f"this is no notice: {text!r:.120}")


class Taken(NamedTuple):
    """What one look into an outbox brought."""

    now_ms: int
    #: How many stand there, those taken by others and those to be tried later among them.
    standing: int
    notices: list[Notice]


class Dependents(NamedTuple):
    """Who is to be told of a parent's end.

    ``slice``: ``ids`` of ``partition`` are next. ``done``: all were told. ``later``: only partitions that were
    passed over are left. ``withdrawn``: the parent was requeued meanwhile; who was not told waits on.
    """

    status: Literal["slice", "done", "later", "withdrawn"]
    partition: int = 0
    ids: tuple[str, ...] = ()


class Outboxes:
    """The outboxes of all partitions; each method is one script call and raises as the broker's do."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def parents(self, ids: Sequence[str]) -> dict[str, str]:
        """How tasks stand: ``alive``, COMPLETED, DEAD, CANCELLED, or nothing for those nobody knows."""
        parts: dict[int, list[str]] = {}
        for task_id in dict.fromkeys(ids):
            parts.setdefault(partition_of(task_id), []).append(task_id)
        calls = [
            (
                part[at : at + 1000],
                self._broker.pending(
                    Call(script("parents"), partition, tuple(part[at : at + 1000]), _texts)
                ),
            )
            for partition, part in parts.items()
            if partition < self._broker.partitions
            for at in range(0, len(part), 1000)
        ]
        found: dict[str, str] = {}
        for part, call in calls:
            found.update({i: how for i, how in zip(part, await call, strict=True) if how})
        return found

    async def standing(self) -> tuple[int, float]:
        """How many notices stand in all outboxes, and how old the oldest is, in seconds."""
        calls = [
            self._broker.pending(Call(script("outbox_look"), n, (), list))
            for n in range(self._broker.partitions)
        ]
        looks: list[list[int]] = [await call for call in calls]
        return sum(look[0] for look in looks), max(look[1] for look in looks) / 1000

    async def take(self, partition: int, taken_s: float = TAKEN_S) -> Taken:
        """Notices that are due, at most 256; for ``taken_s`` seconds nobody else gets them."""
        reply: list[bytes | int] = await self._broker.run(
            Call(script("outbox_take"), partition, (to_ms(taken_s),), list)
        )
        texts = [raw.decode() for raw in reply[2:] if isinstance(raw, bytes)]
        return Taken(int(reply[0]), int(reply[1]), [Notice.parse(text) for text in texts])

    async def done(self, partition: int, notices: Sequence[Notice]) -> None:
        """These have been delivered."""
        await self._broker.run(
            Call(script("outbox_done"), partition, tuple(notice.text for notice in notices), int)
        )

    async def later(self, partition: int, notices: Sequence[Notice], delay_s: float) -> None:
        """These could not be delivered and are due again after so long."""
        arguments: tuple[Argument, ...] = (to_ms(delay_s), *(notice.text for notice in notices))
        await self._broker.run(Call(script("outbox_later"), partition, arguments, int))

    async def watch(self, partition: int, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Let children of other partitions wait for parents of this one: (parent, child) each.

        Returns:
            For each ``watching``, or how the parent ended: COMPLETED, DEAD, CANCELLED or ``gone``.
        """
        flat = tuple(task_id for pair in pairs for task_id in pair)
        return await self._broker.run(Call(script("watch"), partition, flat, _texts))

    async def dependents(
        self, partition: int, notice: Notice, first: int, told: Sequence[str]
    ) -> Dependents:
        """Who is to be told next of a ``finished`` notice: in partitions from ``first`` on.

        Args:
            partition: Where the notice stands.
            notice: It.
            first: Partitions below are passed over this time.
            told: Who has been told since the last call.
        """
        arguments: tuple[Argument, ...] = (notice.text, to_ms(TAKEN_S), first, *told)
        return await self._broker.run(
            Call(script("outbox_dependents"), partition, arguments, _dependents)
        )

    async def resolve(self, partition: int, ends: Sequence[tuple[str, str, str]]) -> int:
        """Tell children of this partition of parents' ends: (parent, how it ended, child) each.

        Returns:
            How many of them wait for nothing any more.
        """
        flat = tuple(word for end in ends for word in end)
        return await self._broker.run(Call(script("resolve"), partition, flat, int))


def _texts(reply: list[bytes]) -> list[str]:
    return [raw.decode() for raw in reply]


def _dependents(reply: bytes | list[bytes | int]) -> Dependents:
    if isinstance(reply, bytes):
        return Dependents(reply.decode())  # type: ignore[arg-type]
    ids = tuple(raw.decode() for raw in reply[2:] if isinstance(raw, bytes))
    return Dependents("slice", int(reply[1]), ids)
