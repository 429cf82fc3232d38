"""A shard process: one worker, from its fork to its exit."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import os
from functools import partial
from typing import TYPE_CHECKING, Final

import uvloop

from shoal.broker.address import parse_url
from shoal.errors import ExitStatus, ShoalError, StartupError
from shoal.lifecycle import READY, RELEASE_RESERVE_S, ChildContext, startup_failure
from shoal.loading import load_app
from shoal.model.identity import Incarnation
from shoal.page import PageState
from shoal.shard.control import Control, OrphanWatch, Why
from shoal.shard.life import live, release

if TYPE_CHECKING:
    from shoal.app import Shoal
    from shoal.config import Settings
    from shoal.shard.fork_server import ForkServer

#: Allocations between two looks of the garbage collector at the youngest objects: a claim of a few
#: hundred tasks must not set it off each time.
_GC_THRESHOLD: Final = 20_000
#: Of one shard for each core, beside Redis.
_NICE_BESIDE_REDIS: Final = 10
_LEAST_PRIORITY: Final = 19
#: What a process weighs against those of the next level of niceness (Linux, sched_prio_to_weight).
_WEIGHT_PER_LEVEL: Final = 1.25


def main(context: ChildContext) -> int:
    """Run one shard until it is told to end; returns its exit status.

    What keeps it from starting is written to ``context.ready_fd`` as one line. The process must end
    by ``os._exit`` afterwards: threads of user code may still run.
    """
    try:
        app = load_app(context.app_spec)
    except ShoalError as error:
        return int(_cannot_start(context, error))
    os.nice(niceness(context.settings, context.shards_per_core))
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
    try:
        forks = _fork_server(context, app)
    except OSError as error:
        return int(_cannot_start(context, StartupError(f"no process can be forked: {error}")))
    # Not closed: that would wait for threads of user code, and the process ends now anyway.
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        return int(runner.run(_run(context, app, forks)))
    finally:
        # Whatever ends the process without this was not this shard's own end.
        context.page.state = PageState.ENDED


def _fork_server(context: ChildContext, app: Shoal) -> ForkServer | None:
    """Before there is any thread or loop; only where a type wants processes."""
    if not any(task.kind == "process" for task in app.tasks.values()):
        return None
    from shoal.shard.fork_server import start
    from shoal.shard.handlers import handler_table
    from shoal.shard.process_worker import Worker

    table = handler_table(app.tasks, context.settings.task)
    handlers = {handler.name: handler for handler in table.values()}
    return start(
        lambda link: Worker(link, handlers).work(), close=(context.ready_fd, context.death_fd)
    )


async def _run(context: ChildContext, app: Shoal, forks: ForkServer | None) -> int:
    settings = context.settings
    incarnation = Incarnation(settings.worker.id, context.slot_index, context.nonce)
    control = Control(max(0.0, settings.worker.shutdown_timeout_s - RELEASE_RESERVE_S))
    control.handle_signals()
    OrphanWatch(
        context.death_fd,
        partial(control.stop_now, Why.ORPHANED),
        partial(release, settings, str(incarnation), "drained"),
    ).start()
    is_ready = False

    def ready() -> None:
        nonlocal is_ready
        is_ready = True
        os.write(context.ready_fd, READY)

    try:
        return await live(
            settings,
            context.page,
            app,
            incarnation,
            control,
            replaces=context.replaces,
            ready=ready,
            forks=forks,
            is_isolation=context.is_isolation,
        )
    except ShoalError as error:
        if is_ready:
            raise
        return _cannot_start(context, error)


def niceness(settings: Settings, shards_per_core: float) -> int:
    """By how many levels a shard stands back for the CPU: as set, or for a Redis beside it.

    Every shard waits for Redis, which has one thread and answers only after all that was asked. All
    shards that may run on a core together are to weigh no more against it than one of level 10.
    """
    if settings.worker.nice is not None:
        return settings.worker.nice
    address, _ = parse_url(settings.redis)
    if not address.is_this_host:
        return 0
    more = math.ceil(math.log(max(shards_per_core, 1.0), _WEIGHT_PER_LEVEL))
    return min(_NICE_BESIDE_REDIS + more, _LEAST_PRIORITY)


def _cannot_start(context: ChildContext, error: ShoalError) -> ExitStatus:
    message = f"{error}. {error.remedy}" if error.remedy else str(error)
    with contextlib.suppress(OSError):  # nobody is there to read it any more
        os.write(context.ready_fd, startup_failure(error.exit_status, message))
    return error.exit_status
