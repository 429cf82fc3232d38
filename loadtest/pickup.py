"""``pickup``: how long from the call of submit until the handler starts."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import uvloop

from loadtest import floor
from loadtest.cells import Cell
from loadtest.failure import BenchmarkFailed
from loadtest.figures import Figure, percentiles_ms
from loadtest.options import Options
from loadtest.pacing import paced
from loadtest.partitions import PartitionReader
from loadtest.preload import preload
from loadtest.probe import ServerProbe
from loadtest.report import Report, Run, Yardstick, medians
from loadtest.samples import Samples
from loadtest.scripts import ScriptWindow, as_figures
from loadtest.servers import ServerAddress, server
from loadtest.system import described, environment, settings
from loadtest.workers import Workers, workers
from loadtest.workload import BUSY_TYPE, NAMESPACE, PARTITIONS, PAYLOAD_BODY, PICKUP_TYPE
from shoal import Shoal

KEPT: Final = 2_000_000
WORKLOAD: Final = "one type, whose handler tells when it began"
SETTLE_S: Final = 3.0
IDLE_WATCH_S: Final = 3.0
COLLECT_S: Final = 30.0
PINGS: Final = 1000
WINDOW_S: Final = 2.0
IDLE_TASKS: Final = 500
IDLE_GAP_S: Final = 0.02
BUSY_RATE: Final = 1000
BUSY_TASKS: Final = 10_000
BACKLOG: Final = 100_000
CRITICAL_RATE: Final = 50
CRITICAL_TASKS: Final = 1000
ABOUT_FLOOR: Final = "PING from the same client on the idle server: a round trip without any work"


@dataclass(frozen=True)
class Scene:
    """A running system with its client.

    Attributes:
        tasks: How many tasks were asked for; ``None`` = the cell's own default.
    """

    app: Shoal
    reader: PartitionReader
    crew: Workers
    address: ServerAddress
    tasks: int | None


class Pickups:
    """Submits tasks that tell when they began, and takes the time of both sides."""

    def __init__(self, scene: Scene) -> None:
        self._app = scene.app
        self._samples = Samples(scene.reader)
        self._submit_s: list[float] = []

    async def send(self, priority: str | None = None) -> None:
        """Submit one, of NORMAL priority unless another is given."""
        sent_s, began = time.time(), time.perf_counter()
        task = await self._app.submit(PICKUP_TYPE, PAYLOAD_BODY, priority=priority)
        self._samples.sent(task.id, sent_s)
        self._submit_s.append(time.perf_counter() - began)

    async def figures(self) -> dict[str, Figure]:
        """Wait until all have ended; latencies to the start, to the outcome, and of submit."""
        await self._samples.collect_all(COLLECT_S)
        if self._samples.waiting:
            raise BenchmarkFailed(
                f"{self._samples.waiting} tasks had not ended {COLLECT_S:.0f} s later"
            )
        return {
            **percentiles_ms(self._samples.pickup_s),
            **percentiles_ms(self._samples.recorded_s, "recorded_"),
            **percentiles_ms(self._submit_s, "submit_"),
        }


async def _idle(scene: Scene) -> dict[str, Figure]:
    """One task a time, with pauses, on a system that has nothing else to do."""
    pickups, tasks = Pickups(scene), scene.tasks or IDLE_TASKS
    for _ in range(tasks):
        await pickups.send()
        # Not in step with any timer of the workers.
        await asyncio.sleep(random.uniform(0.5, 1.5) * IDLE_GAP_S)
    return {"tasks": tasks, **await pickups.figures()}


async def _hundred_idle(scene: Scene, priority: str = "NORMAL") -> dict[str, Figure]:
    """A hundred workers with next to nothing to do share a thousand tasks a second."""
    idle = await _idle_cpu(scene)
    pickups, tasks = Pickups(scene), scene.tasks or BUSY_TASKS
    before = await scene.crew.claim_calls()
    sending = await paced(BUSY_RATE, tasks, lambda _: pickups.send(priority))
    after = await scene.crew.claim_calls()
    return {
        "tasks": tasks,
        **after.per_task(before, tasks),
        "tasks_per_s": round(tasks / sending.seconds, 1),
        **await pickups.figures(),
        **await _script_calls(scene, priority),
        **idle,
    }


async def _hundred_idle_high(scene: Scene) -> dict[str, Figure]:
    """The same with HIGH tasks, of which every worker hears when there were none before."""
    return await _hundred_idle(scene, "HIGH")


async def _critical(scene: Scene) -> dict[str, Figure]:
    """CRITICAL tasks while every slot is busy with 10 ms tasks of a long LOW backlog."""
    pickups = Pickups(scene)
    before = scene.reader.count("PENDING")
    sending = await paced(CRITICAL_RATE, CRITICAL_TASKS, lambda _: pickups.send("CRITICAL"))
    left = scene.reader.count("PENDING")
    if not left:
        raise BenchmarkFailed("the LOW backlog was gone before the end: ask for more --tasks")
    return {
        "tasks": CRITICAL_TASKS,
        "low_backlog": before,
        "low_left": left,
        "low_per_s": round((before - left) / sending.seconds, 1),
        **await pickups.figures(),
    }


@dataclass(frozen=True)
class Setting:
    """A cell: its workers, what happens in it, and whether a LOW backlog waits beforehand."""

    cell: Cell
    play: Callable[[Scene], Awaitable[dict[str, Figure]]]
    has_backlog: bool = False


CELLS: Final[Mapping[str, Setting]] = {
    "idle": Setting(Cell(1, 10), _idle),
    "100idle": Setting(Cell(100, 10), _hundred_idle),
    "100idle-high": Setting(Cell(100, 10), _hundred_idle_high),
    "critical": Setting(Cell(4, 10), _critical, has_backlog=True),
}


def run(options: Options) -> Report:
    """Measure every wanted cell, each on an empty server with workers of its own.

    ``--tasks`` is the number of tasks; for ``critical`` that of the LOW backlog.
    """
    samples: list[Run] = []
    pings: list[Run] = []
    about, set_differently = described(options.server, KEPT, WORKLOAD)
    for number in range(options.runs):
        for name, setting in CELLS.items():
            if options.wants(name):
                options.say(f"pickup {name}, run {number + 1} of {options.runs}")
                with server(options.server) as address:
                    found, ping = uvloop.run(_measure(address, name, setting, options.tasks))
                samples.append(found)
                pings.append(ping)
    yardsticks = [Yardstick("floor", ABOUT_FLOOR, medians(pings))]
    return Report("pickup", about, set_differently, medians(samples), yardsticks)


async def _measure(
    address: ServerAddress, name: str, setting: Setting, tasks: int | None
) -> tuple[dict[str, Figure], dict[str, Figure]]:
    env = environment(address, KEPT)
    reader = PartitionReader(address.url, NAMESPACE, PARTITIONS)
    with ServerProbe(address.url) as probe, reader:
        probe.erase(NAMESPACE)
        try:
            round_trips = await floor.ping_s(address.url, PINGS)
            async with Shoal(settings(env)) as app:
                broker = await app.broker()
                if setting.has_backlog:
                    await preload(broker, tasks or BACKLOG, [BUSY_TYPE], [0])
                async with workers(broker, setting.cell, env) as crew:
                    await asyncio.sleep(SETTLE_S)
                    figures = await setting.play(Scene(app, reader, crew, address, tasks))
        finally:
            if not address.is_own:
                probe.erase(NAMESPACE)
    shape = {"shards": setting.cell.shards, "concurrency": setting.cell.concurrency}
    return {"name": name, **shape, **figures}, {"name": name, **percentiles_ms(round_trips)}


async def _idle_cpu(scene: Scene) -> dict[str, Figure]:
    """What the waiting itself costs, in percent of one core, all shards together."""
    with ServerProbe(scene.address.url) as probe:
        before, cpu = probe.read(), scene.crew.cpu_s()
        await asyncio.sleep(IDLE_WATCH_S)
        after, spent = probe.read(), scene.crew.cpu_s() - cpu
    return {
        "idle_redis_cpu_percent": round((after.cpu_s - before.cpu_s) / IDLE_WATCH_S * 100, 1),
        "idle_shards_cpu_percent": round(spent / IDLE_WATCH_S * 100, 1),
    }


async def _script_calls(scene: Scene, priority: str) -> dict[str, Figure]:
    """The same load for two more seconds with every script call counted, polls of the idle too."""
    pickups, tasks = Pickups(scene), int(WINDOW_S * BUSY_RATE)
    window = ScriptWindow(scene.address.url)
    window.open()
    await paced(BUSY_RATE, tasks, lambda _: pickups.send(priority))
    return as_figures(window.close(), tasks)
