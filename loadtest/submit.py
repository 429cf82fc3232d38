"""``submit``: how fast one process brings tasks in, from Python or over HTTP; no worker runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import uvloop

from loadtest import floor, submit_http
from loadtest.figures import Figure, per_task_us, percentiles_ms, rate
from loadtest.options import Options
from loadtest.probe import ServerProbe
from loadtest.report import Report, Run, Yardstick, medians
from loadtest.servers import ServerAddress, server
from loadtest.system import described, environment, settings
from loadtest.workload import NAMESPACE, PAYLOAD_BODY, PRIORITIES, TYPES
from shoal import Shoal

DEFAULT_TASKS: Final = 100_000
KEPT: Final = 1_000_000
CALL: Final = 1000
"""Payloads of one call of ``submit_many``; the client makes round trips of 200 of it."""
SINGLES: Final = 20
"""A cell of single submissions takes so many times fewer tasks."""
CALLERS: Final = 64
WORKLOAD: Final = "50 types and 4 priorities in turn, one of each a call"

Latencies = list[float]


async def _many(app: Shoal, tasks: int, took_s: Latencies) -> int:
    """``submit_many`` with 1,000 payloads a call, each call of another type and priority."""
    for number, start in enumerate(range(0, tasks, CALL)):
        payloads = [PAYLOAD_BODY] * min(CALL, tasks - start)
        began = time.perf_counter()
        await app.submit_many(TYPES[number % len(TYPES)], payloads, priority=number % PRIORITIES)
        took_s.append(time.perf_counter() - began)
    return tasks


async def _single(app: Shoal, tasks: int, took_s: Latencies) -> int:
    """``submit``, one after the other."""
    count = max(1, tasks // SINGLES)
    for number in range(count):
        await _submit_one(app, number, took_s)
    return count


async def _callers(app: Shoal, tasks: int, took_s: Latencies) -> int:
    """``submit`` from 64 coroutines at once, as a web server does."""
    numbers = iter(range(tasks))

    async def caller() -> None:
        for number in numbers:
            await _submit_one(app, number, took_s)

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())
    return tasks


async def _submit_one(app: Shoal, number: int, took_s: Latencies) -> None:
    began = time.perf_counter()
    await app.submit(
        TYPES[number % len(TYPES)], PAYLOAD_BODY, priority=number // len(TYPES) % PRIORITIES
    )
    took_s.append(time.perf_counter() - began)


Play = Callable[[Shoal, int, Latencies], Awaitable[int]]
PLAYS: Final[Mapping[str, Play]] = {"many": _many, "single": _single, "64callers": _callers}
CELLS: Final = (*PLAYS, *submit_http.CELLS)


def run(options: Options) -> Report:
    """Measure every wanted cell on an empty server of its own, and the floor beside it."""
    tasks = options.tasks or DEFAULT_TASKS
    samples: list[Run] = []
    floors: list[Run] = []
    about, set_differently = described(options.server, KEPT, WORKLOAD)
    for number in range(options.runs):
        for name in CELLS:
            if not options.wants(name):
                continue
            options.say(f"submit {name}, run {number + 1} of {options.runs}")
            with server(options.server) as address:
                if name in PLAYS:
                    measured = _measure(address, PLAYS[name], tasks)
                else:
                    measured = submit_http.measure(address, name, tasks)
                samples.append({"name": name, **uvloop.run(measured)})
            if name == "many":
                with server(options.server) as address:
                    floors.append({"name": name, **floor.fill(address.url, tasks)})
                    floor.erase(address.url)
    yardsticks = [Yardstick("floor", "pipelined XADD, 200 a round trip", medians(floors))]
    return Report("submit", about, set_differently, medians(samples), yardsticks)


async def _measure(address: ServerAddress, play: Play, tasks: int) -> dict[str, Figure]:
    env = environment(address, KEPT)
    took_s: Latencies = []
    with ServerProbe(address.url) as probe:
        probe.erase(NAMESPACE)
        try:
            async with Shoal(settings(env)) as app:
                # The first call connects, loads the script and makes the partitions.
                await app.submit_many(TYPES[0], [PAYLOAD_BODY] * CALL)
                before, cpu, start = probe.read(), time.process_time(), time.perf_counter()
                count = await play(app, tasks, took_s)
                seconds, spent = time.perf_counter() - start, time.process_time() - cpu
                after = probe.read()
        finally:
            if not address.is_own:
                probe.erase(NAMESPACE)
    return {
        "tasks": count,
        "tasks_per_s": rate(count, seconds),
        "redis_us_per_task": per_task_us(after.cpu_s - before.cpu_s, count),
        "client_us_per_task": per_task_us(spent, count),
        "aof_bytes_per_task": round((after.aof_bytes - before.aof_bytes) / count),
        "bytes_per_pending_task": round((after.used_memory - before.used_memory) / count),
        **percentiles_ms(took_s, "call_"),
    }
