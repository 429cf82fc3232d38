"""One incarnation of a worker: connect, claim and run until told to end, end in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from loguru import logger

from shoal.broker.broker import Broker
from shoal.broker.registry import Registry
from shoal.broker.sync_broker import SyncBroker
from shoal.errors import ExitStatus, ShoalError
from shoal.lifecycle import EXIT_RECYCLED, EXIT_STAYS_DOWN
from shoal.page import PageState
from shoal.shard.burst import end_when_quiet, until_idle
from shoal.shard.control import Control, Why
from shoal.shard.heartbeat import Heartbeat
from shoal.shard.loops import every
from shoal.shard.outcome import Stop
from shoal.shard.parts import Parts, tick_for_ever
from shoal.telemetry import metrics

if TYPE_CHECKING:
    from shoal.app import Shoal
    from shoal.config import Settings
    from shoal.model.identity import Incarnation
    from shoal.page import Page
    from shoal.shard.fork_server import ForkServer

#: How often who is live is read again, in seconds.
_SLICE_S: Final = 1.0
#: How often it is looked whether a drain is over, in seconds.
_DRAIN_LOOK_S: Final = 0.01
#: How long handlers have to clean up after they were handed back and cancelled, in seconds.
_CLEAN_UP_S: Final = 0.5
#: What the supervisor is told by a shard that has ended well; without a word 0.
_EXIT_OF: Final = {
    Why.WISHED: EXIT_STAYS_DOWN,
    Why.RECYCLED: EXIT_RECYCLED,
    Why.STUCK: EXIT_RECYCLED,
    Why.FORKS: EXIT_RECYCLED,
    Why.DEAD: EXIT_RECYCLED,
}
#: How long a release at the end may take before it is left to the supervisor, in seconds.
_RELEASE_S: Final = 1.2


async def live(
    settings: Settings,
    page: Page,
    app: Shoal,
    incarnation: Incarnation,
    control: Control,
    *,
    replaces: str | None,
    ready: Callable[[], None],
    forks: ForkServer | None = None,
    is_isolation: bool = False,
) -> int:
    """Be a worker until ``control`` says to end.

    Args:
        settings: Of the whole process.
        page: Shared with the supervisor; as many slots as the concurrency, at least.
        app: Holds the handlers; attached to this worker's broker.
        incarnation: Who this is.
        control: Says when to end, and is told of reasons to.
        replaces: The incarnation that is known to be dead, whose name this one takes over.
        ready: Called once the worker can claim.
        forks: Forks processes for handlers that want one; ``None`` = no type does.
        is_isolation: Take only what stands apart, and end when nothing of that is left.

    Returns:
        0, or whether a successor is wanted (``EXIT_RECYCLED``, ``EXIT_STAYS_DOWN``), or what tells
        the supervisor to hand back what could not be handed back here.

    Raises:
        StartupError: It cannot start: the name is taken, or the server is not fit.
        BrokerUnavailable: It cannot start: Redis can't be reached.
    """
    heartbeat = Heartbeat(str(incarnation), settings.worker, control)
    broker = await Broker.connect(settings)
    try:
        registry = Registry(broker)
        former = await registry.take_name(heartbeat.record(), replaces)
        # The supervisor's releaser has the tasks of the one it knows to be dead, and knows whom to blame.
        if former is not None and former != replaces:
            await asyncio.to_thread(release, settings, former, "killed")
        app.attach(broker, settings)
        parts = Parts(
            settings,
            page,
            app,
            broker,
            registry,
            incarnation,
            control,
            metrics.current(),
            forks,
            is_isolation=is_isolation,
        )
        try:
            page.contact()
            # What is wished of this worker holds from its start: a pause outlives a restart.
            await heartbeat.run_once(registry, parts)
            return await _work(settings, page, parts, broker, registry, heartbeat, control, ready)
        finally:
            with contextlib.suppress(ShoalError):
                await app.aclose()
    finally:
        await broker.aclose()


async def _work(
    settings: Settings,
    page: Page,
    parts: Parts,
    broker: Broker,
    registry: Registry,
    heartbeat: Heartbeat,
    control: Control,
    ready: Callable[[], None],
) -> int:
    """Work until told to end. The order of ending is the order of the blocks, from the inside."""
    name = parts.incarnation
    beat = partial(heartbeat.run_once, registry, parts)
    beats = every(settings.worker.heartbeat_s, beat, "the heartbeat", parts.rng)
    status = int(ExitStatus.OK)
    with parts.renewer:  # leases are renewed until the last task is out
        try:
            async with _services(tick_for_ever(parts), beats, parts.deferred.raise_failure()):
                async with _services(*_claiming(settings, parts, broker, control)):
                    control.may_claim = True
                    ready()
                    await parts.claimer.begin()
                    why = await control.wish()
                    status = _EXIT_OF.get(why, 0)
                    page.state = PageState.DRAINING
                    parts.claimer.close()
                if why is not Why.DEAD:
                    await _drain(parts, control)
                if not parts.ledger.is_empty or why in {Why.DEAD, Why.STUCK}:
                    status = await _hand_back(settings, parts, name, why) or status
        finally:
            parts.close()
            await parts.deferred.aclose()
    with contextlib.suppress(ShoalError, TimeoutError):
        async with asyncio.timeout(1.0):
            await registry.leave(name, "shutdown", heartbeat.told(parts))
    logger.info(
        "{} has ended: {} tasks, {} failed", name, parts.executor.processed, parts.executor.failed
    )
    return status


def _claiming(
    settings: Settings, parts: Parts, broker: Broker, control: Control
) -> list[Coroutine[Any, Any, None]]:
    """What goes on only for as long as this shard claims."""
    rng = parts.rng
    services = [
        parts.wakes.listen(),
        parts.claimer.errands.run(),
    ]
    if parts.is_isolation:
        # Its partitions are all, and what it does must not hang on what it runs: the others look after them.
        return [*services, end_when_quiet(parts.executor, parts.ledger, settings, control)]
    services += [
        parts.outbox.run(),
        every(_SLICE_S, parts.slice.run_once, "reading who is live", rng),
        every(parts.recoverer.INTERVAL_S, parts.recoverer.run_once, "recovering", rng),
        every(parts.janitor.INTERVAL_S, parts.janitor.run_once, "pruning", rng),
        parts.series.run(lambda: 0 in parts.slice.own),
        every(parts.depth_watch.INTERVAL_S, parts.depth_watch.run_once, "reading depths", rng),
        parts.ticker.run(),
    ]
    if settings.worker.burst:
        services.append(_end_when_idle(settings, parts, broker, control))
    return services


async def _end_when_idle(
    settings: Settings, parts: Parts, broker: Broker, control: Control
) -> None:
    await until_idle(broker, parts.claimer, parts.ledger, settings.worker.queues)
    control.stop(Why.DONE)


async def _drain(parts: Parts, control: Control) -> None:
    """Wait until all is done and answered, the deadline comes, or there is a hurry."""
    while not (  # noqa: ASYNC110 - what ends it happens for each task, where an event would cost
        parts.is_drained or control.hurry.is_set() or time.monotonic() >= control.deadline_s
    ):
        await asyncio.sleep(_DRAIN_LOOK_S)


async def _hand_back(settings: Settings, parts: Parts, incarnation: str, why: Why) -> ExitStatus:
    """Release what still runs, and only then cancel it: so it runs elsewhere without delay.

    Returns:
        What to exit with: not OK when the supervisor has to release it.
    """
    reason = {Why.STUCK: "retired", Why.DEAD: "lost"}.get(why, "drained")
    status = ExitStatus.OK
    try:
        async with asyncio.timeout(_RELEASE_S):
            released = await asyncio.to_thread(release, settings, incarnation, reason)
        logger.info("{} tasks are handed back", released)
    except (ShoalError, TimeoutError) as error:
        logger.warning("what still runs can't be handed back by this shard: {}", error)
        status = ExitStatus.REDIS_UNREACHABLE
    stopping = parts.executor.stop_all(Stop.RELEASED)
    if stopping:
        await asyncio.wait(stopping, timeout=_CLEAN_UP_S)
    return status


def release(settings: Settings, incarnation: str, reason: str) -> int:
    """Hand back all that an incarnation holds, by a connection of its own. Blocks."""
    broker = SyncBroker(settings)
    try:
        return broker.release(incarnation, reason).tasks
    finally:
        broker.close()


@contextlib.asynccontextmanager
async def _services(*services: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the block and cancel them at its end; one that fails ends the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(service) for service in services]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
