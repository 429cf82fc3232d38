"""``endtoend``: tasks are submitted and processed at once, at a set rate for a set time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import uvloop

from loadtest.cells import CELLS
from loadtest.figures import Figure, per_task_us, percentiles_ms
from loadtest.options import Options
from loadtest.pacing import paced
from loadtest.partitions import PartitionReader
from loadtest.probe import ServerProbe
from loadtest.proof import prove
from loadtest.report import Report, Run, medians
from loadtest.samples import Samples
from loadtest.servers import ServerAddress, server
from loadtest.system import MIXED, RETENTION_SHARE, described, environment, settings
from loadtest.ways import Way, way
from loadtest.workers import Workers, workers
from loadtest.workload import NAMESPACE, PARTITIONS
from shoal.broker.broker import Broker

HTTP: Final = "http-"
ALL_CELLS: Final = (*CELLS, *(HTTP + name for name in CELLS))
"""Each shape of workers, with a client that speaks to Redis and with one that speaks HTTP."""
DEFAULT_RATE: Final = 5000
DEFAULT_SECONDS: Final = 20
SETTLE_S: Final = 3.0
FLUSHES_PER_S: Final = 100
"""How often what has come in meanwhile is submitted, as a busy producer does."""
COLLECT_S: Final = 0.5
POLL_S: Final = 0.02
DRAIN_TIMEOUT_S: Final = 60.0


def run(options: Options) -> Report:
    """Measure every wanted cell; ``--tasks`` over ``--rate`` is how long each lasts."""
    rate = options.rate or DEFAULT_RATE
    tasks = options.tasks or rate * DEFAULT_SECONDS
    samples: list[Run] = []
    about, set_differently = described(options.server, tasks // RETENTION_SHARE, MIXED)
    for number in range(options.runs):
        for name in ALL_CELLS:
            if options.wants(name):
                options.say(f"endtoend {name}, run {number + 1} of {options.runs}: {rate}/s")
                with server(options.server) as address:
                    found = uvloop.run(_measure(address, name, tasks, rate, options.say))
                samples.append({"name": name, "tasks": tasks, **found})
    return Report("endtoend", about, set_differently, medians(samples))


async def _measure(
    address: ServerAddress, name: str, tasks: int, rate: int, say: Callable[[str], None]
) -> dict[str, Figure]:
    over_http = name.startswith(HTTP)
    cell = CELLS[name.removeprefix(HTTP)]
    size = max(1, rate // FLUSHES_PER_S)
    env = environment(address, tasks // RETENTION_SHARE)
    with ServerProbe(address.url) as probe:
        probe.erase(NAMESPACE)
        try:
            broker = await Broker.connect(settings(env))
            reader = PartitionReader(address.url, NAMESPACE, PARTITIONS)
            try:
                async with (
                    workers(broker, cell, env) as crew,
                    way(broker, env, size, over_http=over_http) as chosen,
                ):
                    await asyncio.sleep(SETTLE_S)
                    with reader:
                        figures = await _play(chosen, size, crew, probe, reader, tasks, rate)
                figures |= await prove(broker, say)
            finally:
                await broker.aclose()
        finally:
            if not address.is_own:
                probe.erase(NAMESPACE)
    return figures


async def _play(
    chosen: Way,
    size: int,
    crew: Workers,
    probe: ServerProbe,
    reader: PartitionReader,
    tasks: int,
    rate: int,
) -> dict[str, Figure]:
    samples, submit_s = Samples(reader), list[float]()

    async def send(number: int) -> None:
        sent_s, began = time.time(), time.perf_counter()
        sample = await chosen.submit(number)
        submit_s.append(time.perf_counter() - began)
        samples.sent(sample, sent_s)

    claims = await crew.claim_calls()
    before, cpu, start = probe.read(), crew.cpu_s(), time.monotonic()
    async with _collecting(samples):
        sending = await paced(rate / size, max(1, tasks // size), send)
    left = reader.count("PENDING", "RUNNING")
    await _until_nothing_is_left(reader)
    seconds, after, spent = time.monotonic() - start, probe.read(), crew.cpu_s() - cpu
    samples.collect()
    sent, done = sending.sent * size, reader.completed_ever()
    return {
        "wanted_per_s": rate,
        "submitted": sent,
        "completed": done,
        "submitted_per_s": round(sent / sending.seconds, 1),
        "tasks_per_s": round(done / seconds, 1),
        "left_at_end_of_sending": left,
        "left_behind": sent - done,
        "sender_latest_ms": round(sending.latest_s * 1000, 1),
        **percentiles_ms(samples.pickup_s, "pickup_"),
        **percentiles_ms(samples.recorded_s, "recorded_"),
        **percentiles_ms(submit_s, "submit_"),
        "redis_us_per_task": per_task_us(after.cpu_s - before.cpu_s, done),
        "shard_us_per_task": per_task_us(spent, done),
        "aof_bytes_per_task": round((after.aof_bytes - before.aof_bytes) / max(done, 1)),
        "script_calls_per_task": round(after.script_calls_since(before) / max(done, 1), 3),
        **(await crew.claim_calls()).per_task(claims, done),
        **chosen.figures(done),
        "samples": len(samples.pickup_s),
        "samples_pruned_unseen": samples.waiting,
        "peak_rss_mib": crew.peak_rss_mib(),
    }


async def _until_nothing_is_left(reader: PartitionReader) -> None:
    """Return when all is done, or after a minute: what is left then stands in the report."""
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while time.monotonic() < deadline:
        if not reader.count("PENDING", "RUNNING"):
            return
        await asyncio.sleep(POLL_S)


@asynccontextmanager
async def _collecting(samples: Samples) -> AsyncIterator[None]:
    """Look at the samples twice a second meanwhile, before they are pruned."""

    async def collect() -> None:
        while True:
            await asyncio.sleep(COLLECT_S)
            samples.collect()

    collecting = asyncio.create_task(collect())
    try:
        yield
    finally:
        collecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await collecting
