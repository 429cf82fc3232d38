"""The numbers over time that a namespace keeps: writing a point, and reading points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shoal.broker import keys
from shoal.broker.namespace_calls import run_on
from shoal.model.priority import Priority
from shoal.model.series import RESOLUTIONS, TOTALS, Point, Resolution
from shoal.model.transitions import State

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.broker.reading import Reading
    from shoal.model.worker import WorkerRecord

#: Points that one call brings.
POINTS: Final = 500


class Points(NamedTuple):
    """A part of one resolution.

    Attributes:
        now_ms: Redis' time.
        last: The newest entry there is; empty = none.
        points: Oldest first.
        read: The last entry of these; empty = none.
    """

    now_ms: int
    last: str
    points: list[Point]
    read: str


def numbers_of(reading: Reading, workers: list[WorkerRecord]) -> list[int]:
    """A point's numbers, in the order of ``FIELDS``."""
    depth = dict.fromkeys(Priority, 0)
    for row in reading.queues:
        depth[Priority(row.priority)] += row.ready + row.isolated
    numbers = [
        *(reading.totals[name] for name in TOTALS),
        *(reading.tasks[state.value] for state in State),
        *depth.values(),
        len(workers),
        sum(worker.concurrency for worker in workers),
        sum(worker.current_tasks for worker in workers),
    ]
    # A counter that is damaged must not damage what is drawn; `verify` finds it.
    return [max(0, number) for number in numbers]


class Series:
    """Reads and writes the points of a namespace.

    Args:
        broker: Its connection is shared.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._key = keys.series(broker.settings.namespace)

    async def add(self, numbers: list[int]) -> int:
        """Note the numbers of this moment; a step that has its point already keeps that.

        Returns:
            In how many resolutions there is a new point.
        """
        arguments: list[str | int] = [" ".join(map(str, numbers))]
        for one in RESOLUTIONS:
            arguments += (one.name, one.step_s * 1000, one.kept_s * 1000, int(one.has_times))
        added: int = await self._run("series_add", *arguments)
        return added

    async def read(self, resolution: Resolution, after: str = "0-0", most: int = POINTS) -> Points:
        """Points after an entry. One that can't be read is passed over; `verify` finds it."""
        reply = await self._run("series_read", resolution.name, after, most)
        points = []
        for entry, fields in reply[2:]:
            values = dict(zip(fields[0::2], fields[1::2], strict=True))
            try:
                points.append(point_of(entry, values))
            except ValueError:
                continue
        read = reply[-1][0].decode() if len(reply) > 2 else ""
        return Points(reply[0], reply[1].decode(), points, read)

    async def silent_ms(self) -> float:
        """How long nobody has noted anything, in ms; infinite = never."""
        finest = await self.read(RESOLUTIONS[0], "9", 1)
        if not finest.last:
            return float("inf")
        return finest.now_ms - int(finest.last.partition("-")[0])

    async def _run(self, verb: str, *arguments: str | int) -> Any:
        return await run_on(self._broker, self._key, verb, *arguments)


def point_of(entry: bytes, values: dict[bytes, bytes]) -> Point:
    """A point as it stands in Redis.

    Raises:
        ValueError: It is none.
    """
    at_ms, _, number = entry.decode().partition("-")
    if number != "0" or int(at_ms) % 1000:
        raise ValueError(f"{entry!r} is no whole second")
    return Point.parse(
        int(at_ms) // 1000, *(values.get(name, b"").decode() for name in (b"v", b"w", b"r"))
    )
