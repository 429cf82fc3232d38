"""Numbers over time for who asks; and noting them while no worker does."""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from shoal.broker.series import Series
from shoal.broker.series_writer import SeriesWriter, until_next_second
from shoal.errors import ShoalError
from shoal.model.series import RESOLUTIONS, Plan, Point, Resolution, chart
from shoal.model.task import format_time, from_unix_ms

if TYPE_CHECKING:
    from shoal.api.gateway import Gateway

#: After so much silence of the workers this process notes the numbers, in milliseconds.
SILENCE_MS: Final = 3000


class SeriesReader:
    """Reads points once, for all who ask; what it has read it keeps.

    Args:
        gateway: To Redis.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._points: dict[str, list[Point]] = {one.name: [] for one in RESOLUTIONS}
        self._read: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def chart(self, plan: Plan) -> dict[str, Any]:
        """What is drawn.

        Raises:
            BrokerUnavailable: Redis is away.
        """
        async with self._lock:
            now_ms = await self._refresh(plan.resolution)
            measured = plan.resolution
            if not measured.has_times:
                measured = next(one for one in RESOLUTIONS if one.has_times)
                await self._refresh(measured)
            points, histograms = self._points[plan.resolution.name], self._points[measured.name]
            return {
                "now": format_time(from_unix_ms(now_ms)),
                **chart(plan, points, histograms),
            }

    async def keep(self) -> None:
        """Note the numbers while no worker does, for ever."""
        writer: SeriesWriter | None = None
        of: object = None
        while True:
            with contextlib.suppress(ShoalError):
                connection = self._gateway.connection
                if writer is None or of is not connection:
                    of = connection
                    writer = SeriesWriter(connection.broker, connection.registry)
                if await Series(connection.broker).silent_ms() >= SILENCE_MS:
                    await writer.write()
            await asyncio.sleep(until_next_second())

    async def _refresh(self, resolution: Resolution) -> int:
        """Read what there is more, and forget what is not kept any more; Redis' time in ms."""
        series, name = Series(self._gateway.connection.broker), resolution.name
        points = self._points[name]
        while True:
            after = self._read.get(name, "0-0")
            found = await series.read(resolution, after)
            if _number(found.last) < _number(after):
                # Another server, or one that lost what came last: begin anew.
                points.clear()
                self._read.pop(name, None)
                if found.last:
                    continue
            points += found.points
            if found.read:
                self._read[name] = found.read
            if not found.read or found.read == found.last:
                break
        oldest_s = (points[-1].at_s if points else 0) - resolution.kept_s
        del points[: bisect_left(points, oldest_s, key=lambda point: point.at_s)]
        return found.now_ms


def _number(entry: str) -> int:
    return int(entry.partition("-")[0] or 0)
