"""The API's process: serves both ports until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import uvloop

from shoal.api.app import admin_app, public_app
from shoal.api.reload import reload_on_signals, tell_siblings
from shoal.api.server import serving
from shoal.api.sockets import Sockets, open_sockets
from shoal.api.state import open_state
from shoal.config import Settings
from shoal.errors import ExitStatus
from shoal.loading import load_app
from shoal.telemetry import logs, metrics

if TYPE_CHECKING:
    from shoal.task_definition import TaskDefinition

__all__ = ["run"]

Definitions = Mapping[str, "TaskDefinition"]


def run(
    settings: Settings,
    app_spec: str | None = None,
    *,
    shared: bool = False,
    metrics_directory: str | None = None,
    slot: int = 0,
    on_ready: Callable[[], None] | None = None,
    reread: Callable[[], Settings] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is in progress; main thread only.

    Args:
        settings: With an API key.
        app_spec: ``MODULE:APP``, whose task types may be submitted; ``None`` = any well-formed one.
        shared: Whether other processes serve the same ports (SO_REUSEPORT).
        metrics_directory: Where these processes share their metrics.
        slot: This one's number among them.
        on_ready: Called once requests are accepted.
        reread: Reads all settings anew for a reload; ``None`` = they stay as they are.

    Returns:
        The exit status.

    Raises:
        ConfigurationError: There is no API key.
        StartupError: A port is taken, the module cannot be imported, or Redis cannot serve Shoal.
    """
    logs.configure(settings.log_level)
    metrics.place_values(metrics_directory, slot)
    with open_sockets(settings, shared=shared) as sockets:
        definitions = None if app_spec is None else load_app(app_spec).tasks
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(
                _serve(
                    settings,
                    definitions,
                    sockets,
                    metrics_directory,
                    on_ready,
                    reread,
                    tell_siblings if shared else None,
                )
            )


async def _serve(
    settings: Settings,
    definitions: Definitions | None,
    sockets: Sockets,
    metrics_directory: str | None,
    on_ready: Callable[[], None] | None,
    reread: Callable[[], Settings] | None,
    tell_others: Callable[[], None] | None,
) -> int:
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        state = await stack.enter_async_context(
            open_state(settings, definitions, metrics_directory=metrics_directory)
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, state.stopping.set)
        state.reread, state.tell_others = reread, tell_others
        reload_on_signals(state)
        await stack.enter_async_context(serving(admin_app(state), sockets.admin))
        await stack.enter_async_context(serving(public_app(state), sockets.public))
        # What the start has made stays; the collector need not look at it for each request.
        gc.collect()
        gc.freeze()
        logs.logger.info(
            "the API listens on port {}, for operators on port {}",
            settings.api.api_port,
            settings.api.admin_port,
        )
        if on_ready is not None:
            on_ready()
        # Whatever becomes known first: a signal, or that Redis will never do.
        state.gateway.failed.add_done_callback(lambda _: state.stopping.set())
        await state.stopping.wait()
        if state.gateway.failed.done():
            raise state.gateway.failed.result()
        logs.logger.info("the API ends")
    return int(ExitStatus.OK)
