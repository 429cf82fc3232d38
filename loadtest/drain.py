"""``drain``: tasks that wait are claimed, run and settled, as fast as the shards can."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import uvloop

from loadtest import floor, prototype
from loadtest.cells import CELLS, Cell
from loadtest.failure import BenchmarkFailed
from loadtest.figures import Figure, per_task_us, percentiles_ms, rate
from loadtest.measure import machine_time
from loadtest.options import Options
from loadtest.partitions import PartitionReader
from loadtest.preload import preload
from loadtest.probe import ServerProbe
from loadtest.proof import prove
from loadtest.report import Report, Run, Yardstick, medians
from loadtest.scripts import ScriptWindow, as_figures
from loadtest.servers import ServerAddress, server
from loadtest.system import MIXED, RETENTION_SHARE, described, environment, settings
from loadtest.workers import Workers, workers
from loadtest.workload import NAMESPACE, PARTITIONS
from shoal.broker.broker import Broker

DEFAULT_TASKS: Final = 100_000
POLL_S: Final = 0.1
SETTLE_S: Final = 2.0
STALLED_S: Final = 60.0
WINDOW_S: Final = 1.0
JOURNAL_ENTRIES: Final = 10
"""Of each partition, so that latencies come from some thousand tasks."""


def run(options: Options) -> Report:
    """Measure every wanted cell: Shoal, the floor, the prototype, each on an empty server.

    Raises:
        BenchmarkFailed: Tasks were refused, got lost, or none was completed for a minute.
        ServerNotFound: Its binary is not on this machine.
        WorkersFailed: The workers did not become ready.
    """
    tasks = options.tasks or DEFAULT_TASKS
    kept = tasks // RETENTION_SHARE
    samples: list[Run] = []
    floors: list[Run] = []
    prototypes: list[Run] = []
    about, set_differently = described(options.server, kept, MIXED)
    for number in range(options.runs):
        for cell in (cell for name, cell in CELLS.items() if options.wants(name)):
            options.say(f"drain {cell.name}, run {number + 1} of {options.runs}: {tasks} tasks")
            with server(options.server) as address:
                samples.append(uvloop.run(_measure(address, cell, tasks, options)))
                options.say(f"  shoal {samples[-1]['tasks_per_s']}/s")
            with server(options.server) as address:
                filled = floor.fill(address.url, tasks)
                floors.append({**floor.drain(address.url, cell), **_submit_figures(filled)})
                floor.erase(address.url)
                options.say(f"  floor {floors[-1]['tasks_per_s']}/s")
            if options.prototype is not None:
                with server(options.server) as address:
                    each = kept // PARTITIONS
                    found = prototype.run_cell(options.prototype, address, cell, tasks, each)
                    prototypes.append(found)
                    options.say(f"  prototype {found['tasks_per_s']}/s")
    yardsticks = [Yardstick("floor", floor.ABOUT, medians(floors))]
    if prototypes:
        yardsticks.append(Yardstick("prototype", prototype.ABOUT, medians(prototypes)))
    return Report("drain", about, set_differently, medians(samples), yardsticks)


async def _measure(
    address: ServerAddress, cell: Cell, tasks: int, options: Options
) -> dict[str, Figure]:
    env = environment(address, tasks // RETENTION_SHARE)
    with ServerProbe(address.url) as probe:
        probe.erase(NAMESPACE)
        broker = await Broker.connect(settings(env))
        try:
            submitted = await _preload(broker, probe, tasks)
            # Workers come to a paused queue: their start is over before the first claim.
            await broker.pause("*")
            async with workers(broker, cell, env) as crew:
                await asyncio.sleep(SETTLE_S)
                counting = asyncio.create_task(_count_scripts(address)) if options.scripts else None
                drained = await _drain(broker, probe, address, crew, tasks)
                if counting is not None:
                    drained |= await counting
            drained |= await prove(broker, options.say)
        finally:
            await broker.aclose()
            if not address.is_own:
                probe.erase(NAMESPACE)
    return {"name": cell.name, "tasks": tasks, **drained, **submitted}


async def _preload(broker: Broker, probe: ServerProbe, tasks: int) -> dict[str, Figure]:
    before, cpu, start = probe.read(), time.process_time(), time.perf_counter()
    await preload(broker, tasks)
    seconds, spent, after = time.perf_counter() - start, time.process_time() - cpu, probe.read()
    return _submit_figures(
        {
            "tasks_per_s": rate(tasks, seconds),
            "redis_us_per_task": per_task_us(after.cpu_s - before.cpu_s, tasks),
            "client_us_per_task": per_task_us(spent, tasks),
            "aof_bytes_per_task": round((after.aof_bytes - before.aof_bytes) / tasks),
            "bytes_per_pending_task": round((after.used_memory - before.used_memory) / tasks),
        }
    )


def _submit_figures(figures: dict[str, Figure]) -> dict[str, Figure]:
    """What filling the queues cost, named so that it stands beside what draining them cost."""
    kept = {"bytes_per_pending_task": figures["bytes_per_pending_task"]}
    for name in ("tasks_per_s", "redis_us_per_task", "client_us_per_task", "aof_bytes_per_task"):
        kept[f"submit_{name}"] = figures[name]
    return kept


async def _drain(
    broker: Broker, probe: ServerProbe, address: ServerAddress, crew: Workers, tasks: int
) -> dict[str, Figure]:
    with PartitionReader(address.url, NAMESPACE, PARTITIONS) as reader:
        idle, claims = crew.memory("idle"), await crew.claim_calls()
        cores = machine_time()
        before, cpu, since_ms = probe.read(), crew.cpu_s(), reader.now_ms()
        await broker.resume("*")
        first_ms, loaded = await _until_drained(reader, crew, tasks, since_ms)
        after, spent, cores_after = probe.read(), crew.cpu_s() - cpu, machine_time()
        others_s = cores_after.busy - cores.busy - spent - (after.cpu_s - before.cpu_s)
        completed = reader.completed_ever()
        if completed != tasks:
            states = {name: n for name, n in (await broker.counts_by_state()).items() if n}
            raise BenchmarkFailed(f"of {tasks} tasks {completed} have completed: {states}")
        seconds = (reader.last_done_ms() - first_ms) / 1000
        return {
            "tasks_per_s": rate(tasks, seconds),
            "seconds": round(seconds, 2),
            "redis_us_per_task": per_task_us(after.cpu_s - before.cpu_s, tasks),
            "shard_us_per_task": per_task_us(spent, tasks),
            "others_us_per_task": per_task_us(others_s, tasks),
            **cores_after.shares(cores),
            "aof_bytes_per_task": round((after.aof_bytes - before.aof_bytes) / tasks),
            "script_calls_per_task": round(after.script_calls_since(before) / tasks, 3),
            **(await crew.claim_calls()).per_task(claims, tasks),
            **percentiles_ms(reader.recorded_after_s(JOURNAL_ENTRIES), "start_to_recorded_"),
            **idle,
            **loaded,
            "peak_rss_mib": crew.peak_rss_mib(),
        }


async def _count_scripts(address: ServerAddress) -> dict[str, Figure]:
    """The script calls of one second, from a second after the start on, by verb."""
    await asyncio.sleep(WINDOW_S)
    with PartitionReader(address.url, NAMESPACE, PARTITIONS) as reader:
        window = ScriptWindow(address.url)
        before = reader.completed_ever()
        window.open()
        await asyncio.sleep(WINDOW_S)
        return as_figures(window.close(), reader.completed_ever() - before)


async def _until_drained(
    reader: PartitionReader, crew: Workers, tasks: int, since_ms: int
) -> tuple[int, dict[str, Figure]]:
    """Watch until nothing is left; returns when the first task started, and memory half-way."""
    first_ms: int | None = None
    loaded: dict[str, Figure] = {}
    left, moved = tasks, time.monotonic()
    while left:
        if first_ms is None:
            first_ms = reader.first_start_ms(since_ms)
        now_left = reader.count("PENDING", "RUNNING")
        if now_left != left:
            left, moved = now_left, time.monotonic()
        elif time.monotonic() - moved > STALLED_S:
            raise BenchmarkFailed(f"nothing has completed for {STALLED_S:.0f} s; {left} are left")
        if left < tasks // 2 and not loaded:
            loaded = crew.memory("load")
        if left:
            await asyncio.sleep(POLL_S)
    if first_ms is None:
        first_ms = reader.first_start_ms(since_ms)
    if first_ms is None:
        raise BenchmarkFailed("no event tells when the first task started")
    return first_ms, loaded
