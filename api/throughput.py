"""How many runs are settled each second, from counters that only rise."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from shoal.api.cluster import ClusterReader
from shoal.api.state import STATE
from shoal.clock import mono_s
from shoal.errors import ShoalError

#: How often the counters are looked at, in seconds.
SAMPLE_S = 5.0
#: Over how many looks a rate is taken: half a minute.
SAMPLES = 7

Counts = Mapping[tuple[str, int], int]


class Throughput:
    """Rates over the last half minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Counts]] = deque(maxlen=SAMPLES)

    def add(self, settled: Counts, now_s: float) -> None:
        """Note a reading.

        Args:
            settled: Runs settled since ever, by (queue, priority number).
            now_s: Monotonic time.
        """
        self._samples.append((now_s, settled))

    def rates(self, settled: Counts, now_s: float | None = None) -> dict[tuple[str, int], float]:
        """Runs a second since the oldest reading; nothing while there is none.

        After a failover the counters may be lower than before: that is no negative rate.
        """
        if not self._samples:
            return {}
        began_s, before = self._samples[0]
        seconds = (mono_s() if now_s is None else now_s) - began_s
        if seconds <= 0:
            return {}
        return {
            stream: max(0, count - before.get(stream, 0)) / seconds
            for stream, count in settled.items()
        }

    async def keep(self, cluster: ClusterReader) -> None:
        """Look again and again, until cancelled."""
        while True:
            # While Redis is away there is nothing to note; the next look spans the gap.
            with contextlib.suppress(ShoalError):
                self.add((await cluster.overview.get()).settled, mono_s())
            await asyncio.sleep(SAMPLE_S)


THROUGHPUT = web.AppKey("throughput", Throughput)


async def keep_throughput(app: web.Application) -> AsyncIterator[None]:
    """A ``cleanup_ctx``: looks at the counters while the application runs."""
    throughput = app[THROUGHPUT] = Throughput()
    looking = asyncio.create_task(throughput.keep(app[STATE].cluster), name="shoal-throughput")
    yield
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
