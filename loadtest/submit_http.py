"""``submit`` over HTTP: one API process, no worker; single tasks, batches, and single ones at a set rate."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson

from loadtest.api import KEY, Api, api
from loadtest.failure import BenchmarkFailed
from loadtest.figures import Figure, per_task_us, percentiles_ms, rate
from loadtest.http_load import HttpLoad, post
from loadtest.measure import machine_time
from loadtest.pacing import paced
from loadtest.partitions import PartitionReader
from loadtest.probe import ServerProbe
from loadtest.servers import ServerAddress
from loadtest.system import environment
from loadtest.workload import NAMESPACE, PARTITIONS, PAYLOAD_BODY, PRIORITIES, TYPES

KEPT: Final = 1_000_000
CONNECTIONS: Final = 64
BATCH_CONNECTIONS: Final = 8
PACED_CONNECTIONS: Final = 256
BATCH: Final = 200
PACED_RATE: Final = 2000
WARM: Final = 2000

Played = tuple[int, dict[str, Figure]]
Play = Callable[[HttpLoad, int], Awaitable[Played]]


def _body(number: int) -> dict[str, object]:
    return {
        "type": TYPES[number % len(TYPES)],
        "payload": PAYLOAD_BODY,
        "priority": number // len(TYPES) % PRIORITIES,
    }


def singles() -> list[bytes]:
    """Requests of one task each: every type in every priority."""
    count = len(TYPES) * PRIORITIES
    return [post("/api/v1/tasks", KEY, orjson.dumps(_body(n))) for n in range(count)]


def batch(bodies: list[dict[str, object]]) -> bytes:
    """One request of many tasks."""
    return post("/api/v1/tasks/batch", KEY, orjson.dumps({"tasks": bodies}))


async def _single(load: HttpLoad, tasks: int) -> Played:
    """One task a request, each connection's next as soon as it has its answer."""
    await load.all(singles(), tasks)
    return tasks, {}


async def _batch(load: HttpLoad, tasks: int) -> Played:
    """200 tasks a request, of mixed types and priorities."""
    calls = max(1, tasks // BATCH)
    await load.all([batch([_body(n) for n in range(BATCH)])], calls)
    return calls * BATCH, {}


async def _paced(load: HttpLoad, tasks: int) -> Played:
    """One task a request, 2,000 requests a second whatever the answers take."""
    requests = singles()
    sending = await paced(
        PACED_RATE, tasks, lambda number: load.submit(requests[number % len(requests)])
    )
    return tasks, {"wanted_per_s": PACED_RATE, "sender_latest_ms": round(sending.latest_s * 1e3, 1)}


CELLS: Final[Mapping[str, tuple[Play, int]]] = {
    "http-single": (_single, CONNECTIONS),
    "http-batch": (_batch, BATCH_CONNECTIONS),
    "http-paced": (_paced, PACED_CONNECTIONS),
}
"""How each plays, and over how many connections."""


async def measure(address: ServerAddress, name: str, tasks: int) -> dict[str, Figure]:
    """One cell on this server."""
    play, connections = CELLS[name]
    env = environment(address, KEPT)
    with ServerProbe(address.url) as probe:
        probe.erase(NAMESPACE)
        try:
            async with api(env) as process:
                async with HttpLoad.connect(process.port, connections) as warm:
                    # Scripts are loaded, partitions made, caches of the interpreter warm.
                    await warm.all(singles(), WARM)
                async with HttpLoad.connect(process.port, connections) as load:
                    figures = await _figures(probe, process, load, play, tasks)
            with PartitionReader(address.url, NAMESPACE, PARTITIONS) as reader:
                stored = reader.count("PENDING") - WARM
            if stored != figures["tasks"]:
                raise BenchmarkFailed(f"of {figures['tasks']} accepted tasks {stored} are stored")
            return figures
        finally:
            if not address.is_own:
                probe.erase(NAMESPACE)


async def _figures(
    probe: ServerProbe, process: Api, load: HttpLoad, play: Play, tasks: int
) -> dict[str, Figure]:
    before, api_s, own_s = probe.read(), process.cpu_s(), time.process_time()
    cores, start = machine_time(), time.perf_counter()
    count, more = await play(load, tasks)
    seconds = time.perf_counter() - start
    own_s, api_s = time.process_time() - own_s, process.cpu_s() - api_s
    after, cores_after = probe.read(), machine_time()
    return {
        "tasks": count,
        "tasks_per_s": rate(count, seconds),
        "redis_us_per_task": per_task_us(after.cpu_s - before.cpu_s, count),
        "api_us_per_task": per_task_us(api_s, count),
        "client_us_per_task": per_task_us(own_s, count),
        "api_busy_percent": round(api_s / seconds * 100, 1),
        "client_busy_percent": round(own_s / seconds * 100, 1),
        **cores_after.shares(cores),
        "aof_bytes_per_task": round((after.aof_bytes - before.aof_bytes) / count),
        **percentiles_ms(load.took_s, "call_"),
        "api_peak_rss_mib": process.peak_rss_mib(),
        **more,
    }
