"""What all requests of an API process share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from shoal.api.addresses import Addresses
from shoal.api.auth import Authenticator, Principal
from shoal.api.cluster import ClusterReader
from shoal.api.gateway import Gateway
from shoal.api.limits import Occupancy
from shoal.api.live.live import Live
from shoal.api.metrics import HttpMetrics
from shoal.api.operations import OperationRunner
from shoal.api.ratelimit import SubmissionLimit
from shoal.api.schema import TaskReader
from shoal.api.series import SeriesReader
from shoal.config import Settings
from shoal.errors import ConfigurationError

if TYPE_CHECKING:
    from shoal.task_definition import TaskDefinition


@dataclass(slots=True)
class ApiState:
    """One for a process; both of its ports share it."""

    settings: Settings
    gateway: Gateway
    authenticator: Authenticator
    reader: TaskReader
    #: The task types there are; ``None`` = nobody said.
    definitions: Mapping[str, TaskDefinition] | None
    cluster: ClusterReader
    http: HttpMetrics
    operations: OperationRunner
    addresses: Addresses
    limit: SubmissionLimit
    series: SeriesReader
    #: What happens, for those who are told while it does.
    live: Live = field(init=False)
    occupancy: Occupancy = field(default_factory=Occupancy)
    #: Reads all settings anew; ``None`` = they stay as they are.
    reread: Callable[[], Settings] | None = None
    #: Tells the other processes on the same ports to reload; ``None`` = there are none.
    tell_others: Callable[[], None] | None = None
    #: Set when the process is to end: what waits is answered now.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


STATE = web.AppKey("state", ApiState)
#: Who asks; set for every request that needed a key.
PRINCIPAL = web.RequestKey("principal", Principal)


@contextlib.asynccontextmanager
async def open_state(
    settings: Settings,
    definitions: Mapping[str, TaskDefinition] | None = None,
    *,
    metrics_directory: str | None = None,
) -> AsyncIterator[ApiState]:
    """Connect, and close at the end.

    Args:
        settings: With an API key.
        definitions: The task types that may be submitted; ``None`` = any.
        metrics_directory: Where the API processes of this host share their metrics.

    Raises:
        ConfigurationError: There is no API key, or the JWK Set can't be used.
        StartupError: Redis cannot serve Shoal. (That it is away is no error.)
    """
    from shoal.api.views import document_of  # it needs what is made here

    if settings.api.api_key is None:
        raise ConfigurationError(
            "API_KEY is not set, and nobody could use the API; set one, such as "
            "`openssl rand -hex 32` prints"
        )
    async with contextlib.AsyncExitStack() as stack:
        http = HttpMetrics(metrics_directory, settings.limit.max_types, definitions or ())
        answered = http.call_answered if settings.metrics_enabled else None
        gateway = await stack.enter_async_context(Gateway(settings, answered))
        authenticator = Authenticator(settings, gateway)
        operations = OperationRunner(gateway)
        occupancy, series = Occupancy(), SeriesReader(gateway)
        await stack.enter_async_context(_kept(authenticator, operations, http, occupancy, series))
        state = ApiState(
            settings=settings,
            gateway=gateway,
            authenticator=authenticator,
            reader=TaskReader(settings, definitions),
            definitions=definitions,
            cluster=ClusterReader(gateway),
            http=http,
            occupancy=occupancy,
            operations=operations,
            addresses=Addresses(settings.api.trusted_proxies),
            limit=SubmissionLimit(settings.api, gateway),
            series=series,
        )
        state.live = Live(gateway, settings, lambda task: document_of(task, state))
        await stack.enter_async_context(state.live.running())
        yield state


@contextlib.asynccontextmanager
async def _kept(
    authenticator: Authenticator,
    operations: OperationRunner,
    http: HttpMetrics,
    occupancy: Occupancy,
    series: SeriesReader,
) -> AsyncIterator[None]:
    """While inside, keys are kept fresh, operations and series gone on with, metrics handed over."""
    keeping = [
        asyncio.create_task(authenticator.ring.keep(), name="shoal-keys"),
        asyncio.create_task(operations.keep(), name="shoal-operations"),
        asyncio.create_task(http.keep(occupancy), name="shoal-metrics"),
        asyncio.create_task(series.keep(), name="shoal-series"),
    ]
    try:
        yield
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await operations.aclose()
        await authenticator.ring.aclose()
