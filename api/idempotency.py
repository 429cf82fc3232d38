"""``Idempotency-Key``: the same request with the same key is done once, for 24 hours.

The key's record is written first, in its own partition, and says which id the task has; then the
task is submitted with that id. Whoever repeats the request finds the record and submits the same
id, which a partition accepts once. When that went well, the record is marked: a task that is gone
since has had its time, and is not submitted again.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from aiohttp import web
from multidict import istr

from shoal.api.gateway import Connection
from shoal.api.problems import Problem
from shoal.api.state import PRINCIPAL
from shoal.errors import BrokerUnavailable, PartitionPaused
from shoal.model.identity import partition_of, task_id
from shoal.telemetry.logs import logger

_HEADER = istr("Idempotency-Key")
MAX_KEY_CHARS = 255


class Key(NamedTuple):
    """An idempotency key and the request that came with it."""

    #: SHA-256 of principal and key; names its record.
    digest: str
    #: Of method, path and body.
    request_hash: str


class Held(NamedTuple):
    """What a key stands for."""

    id: str
    #: Whether its task is known to have been accepted before this request.
    is_stored: bool


def key_of(request: web.Request, body: bytes) -> Key | None:
    """The key of a request; ``None`` when it has none.

    Raises:
        Problem: The header is empty, too long, or holds what is no printable ASCII.
    """
    text = request.headers.get(_HEADER)
    if text is None:
        return None
    if not (0 < len(text) <= MAX_KEY_CHARS and text.isascii() and text.isprintable()):
        raise Problem(
            "invalid_parameter",
            f"Idempotency-Key must be 1 to {MAX_KEY_CHARS} printable ASCII characters.",
        )
    principal = request[PRINCIPAL].name
    asked = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    asked.update(body)
    return Key(hashlib.sha256(f"{principal}\n{text}".encode()).hexdigest(), asked.hexdigest()[:32])


async def hold(connection: Connection, key: Key, new_id: str) -> Held:
    """Find out what the key stands for; ``new_id``, if nobody has used it.

    Raises:
        Problem: ``idempotency_conflict``.
        BrokerUnavailable: No answer. Nothing was submitted, and repeating is safe.
    """
    partition = connection.submitter.partition_of_key(key.digest)
    try:
        holder = await connection.broker.idempotency(
            partition, key.digest, new_id, key.request_hash
        )
    except BrokerUnavailable:
        # Once more over a new connection: the record answers with what it holds.
        holder = await connection.broker.idempotency(
            partition, key.digest, new_id, key.request_hash
        )
    if holder.status == "conflict":
        raise Problem(
            "idempotency_conflict", "Use a new key for a new request; a key stands for 24 hours."
        )
    return Held(holder.id, holder.status == "stored")


async def mark_stored(connection: Connection, key: Key) -> None:
    """Note that what the key stands for has been accepted; best effort."""
    partition = connection.submitter.partition_of_key(key.digest)
    try:
        await connection.broker.idempotency_stored(partition, key.digest)
    except (BrokerUnavailable, PartitionPaused) as error:
        # The answer is the same; only a repetition after the task's retention would not know.
        logger.warning("an idempotency key could not be marked as stored: {}", error)


def nth_id(first: str, place: int, partition: int) -> str:
    """The id of the task at this place of a batch whose key stands for ``first``.

    The same at each repetition, since it is computed from nothing else.

    Args:
        first: A task id; its time is that of all.
        place: From 0.
        partition: Where the task is to be.
    """
    digest = hashlib.sha256(f"{first} {place}".encode()).digest()
    random62 = int.from_bytes(digest[:8], "big") >> 2
    return task_id(partition, int(first[:8] + first[9:13], 16), random62)


def spread(first: str, place: int, partitions: int, group: int) -> int:
    """The partition of a place of such a batch: ``group`` neighbours share one.

    Args:
        first: The batch's first id.
        place: From 0.
        partitions: Among how many; a number that never changes.
        group: How many neighbours share a partition.
    """
    return (partition_of(first) + place // group) % partitions
