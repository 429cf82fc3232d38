"""Partitions: where their keys live, who serves them, and how limits are divided among them."""

from binascii import crc_hqx
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b, sha256

#: A task id has 12 bits for its partition.
MAX_PARTITIONS = 4096
#: Hash slots of a Redis Cluster, whatever its size.
SLOTS = 16384

# How far from its ideal slot a partition may stand. Wider would spread less evenly, narrower
# would take longer to find: about SLOTS / WINDOW tries.
_WINDOW = 16


@lru_cache(maxsize=2 * MAX_PARTITIONS)
def hash_tag(namespace: str, n: int) -> str:
    """The text between the braces of every key of partition ``n``: ``<namespace>:<n>:<s>``.

    ``s`` is the smallest number that puts the tag within 16 slots above four times the reversed
    bits of ``n``. So partitions 0, 1, 2, … halve the ring again and again, and any number of them
    spreads evenly over any number of masters. Computed, never stored.

    Raises:
        ValueError: ``n`` is not from 0 to 4095, or the namespace is empty or holds a brace.
    """
    _check_partition(n)
    if not namespace or "{" in namespace or "}" in namespace:
        raise ValueError(f"invalid namespace {namespace!r}: it must be non-empty, without braces")
    ideal = 4 * int(f"{n:012b}"[::-1], 2)
    head = crc_hqx(f"{namespace}:{n}:".encode(), 0)
    s = 0
    while not ideal <= crc_hqx(b"%d" % s, head) % SLOTS < ideal + _WINDOW:
        s += 1
    return f"{namespace}:{n}:{s}"


def slot_of(text: str) -> int:
    """The Redis Cluster hash slot of a key, or of a bare hash tag (0 to 16383).

    As in Redis, only what stands between the first ``{`` and the next ``}`` counts, if there is
    anything.
    """
    opening = text.find("{")
    if opening >= 0:
        closing = text.find("}", opening + 1)
        if closing > opening + 1:
            text = text[opening + 1 : closing]
    return crc_hqx(text.encode(), 0) % SLOTS


def share(total: int, partition: int, partitions: int) -> int:
    """This partition's part of a limit; the parts of all partitions sum to ``total`` exactly.

    Two parts differ by at most 1.
    """
    if not 0 <= partition < partitions:
        raise ValueError(f"partition {partition} is not one of {partitions}")
    return total * (partition + 1) // partitions - total * partition // partitions


def partition_of_key(key: str, key_partitions: int) -> int:
    """The partition of whatever has a key of its own: idempotency, unique, workflow, cron tick.

    Args:
        key: Any text.
        key_partitions: Written at the first start of a namespace and never changed, since a key
            must be found again where it was left.
    """
    digest = sha256(key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % key_partitions


def assign(partitions: int, workers: Sequence[str]) -> dict[str, list[int]]:
    """Divide the partitions among the live workers, the same way on every host.

    Each partition goes to the worker that scores highest for it and still has room: every worker
    gets ⌊P/W⌋ or ⌈P/W⌉, and most partitions stay where they are when a worker comes or goes. With
    more workers than partitions, worker i in sorted order gets partition i mod P.

    This only decides who looks where first; safety never depends on it.

    Args:
        partitions: How many there are, 1 to 4096.
        workers: Names of the live workers, in any order; a repeated name counts once.

    Returns:
        For every worker its partitions in rising order; empty if there are no workers.
    """
    _check_partition(partitions - 1)
    names = sorted(set(workers))
    if not names:
        return {}
    if len(names) > partitions:
        return {name: [i % partitions] for i, name in enumerate(names)}
    room, extra = divmod(partitions, len(names))
    slices: dict[str, list[int]] = {name: [] for name in names}
    for n in range(partitions):
        for name in sorted(names, key=lambda name: _score(name, n), reverse=True):
            held = len(slices[name])
            if held < room or (held == room and extra > 0):
                extra -= held == room
                slices[name].append(n)
                break
    return slices


@lru_cache(maxsize=65536)
def _score(worker: str, n: int) -> bytes:
    return blake2b(b"%d\0%b" % (n, worker.encode()), digest_size=8).digest()


def _check_partition(n: int) -> None:
    if not 0 <= n < MAX_PARTITIONS:
        raise ValueError(f"partition {n} is out of range: there are at most {MAX_PARTITIONS}")
