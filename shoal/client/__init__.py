"""The client of the HTTP API: ``Client`` for asyncio, ``SyncClient`` for everything else.

What is in ``sync`` is made from ``aio`` by ``scripts/sync_client.py``; all that neither waits nor sends
stands here, once for both.
"""

from shoal.client.aio.client import Client
from shoal.client.aio.handle import Handle
from shoal.client.errors import (
    ApiBusy,
    ApiFailed,
    ApiProblem,
    ApiUnreachable,
    Conflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RateLimited,
)
from shoal.client.following import Event
from shoal.client.sync.client import SyncClient
from shoal.client.sync.handle import SyncHandle

__all__ = [
    "ApiBusy",
    "ApiFailed",
    "ApiProblem",
    "ApiUnreachable",
    "Client",
    "Conflict",
    "Event",
    "Handle",
    "InvalidRequest",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "RateLimited",
    "SyncClient",
    "SyncHandle",
]
