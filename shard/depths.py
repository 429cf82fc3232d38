"""Which partition a shard asks next, by the depths that its claims returned. Pure.

A depth is what this shard may take now, by priority number. Only the *rank* of a partition matters
here: the highest priority with something in it, -1 when there is nothing.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

Depths = tuple[int, int, int, int]

#: From this priority on (HIGH) work is worth leaving one's own slice for.
URGENT_RANK: Final = 2
#: Longest stay with one partition while its claims come back full.
MAX_STAY_CLAIMS: Final = 16
MAX_STAY_S: Final = 0.05
#: Every so many claims one goes to the partition with the oldest ready task, wherever that is.
OLDEST_EVERY: Final = 16
#: Every so many claims one trusts no counter and looks into the streams.
BLIND_EVERY: Final = 64
#: How long depths are believed while there is a backlog, for every 8 live shards; and at most.
BELIEVED_S: Final = 0.05
BELIEVED_AT_MOST_S: Final = 1.0
#: How long those of partitions outside the slice are believed while the slice has work.
ALL_BELIEVED_S: Final = 1.0


def rank(depths: Depths) -> int:
    """The highest priority with something in it; -1 when there is nothing."""
    if depths[3] > 0:
        return 3
    if depths[2] > 0:
        return 2
    if depths[1] > 0:
        return 1
    return 0 if depths[0] > 0 else -1


def any_rank(depths: Depths) -> int:
    """0 when there is anything, -1 when not: where priorities have shares, no partition goes first."""
    return 0 if any(depth > 0 for depth in depths) else -1


def believed_s(live_shards: int) -> float:
    """For how many seconds depths are believed before all are read again in one round trip.

    More shards read less often, so that the reads of all of them together stay bounded.
    """
    return min(BELIEVED_S * max(1.0, live_shards / 8), BELIEVED_AT_MOST_S)


def choose(
    ranks: Sequence[int],
    own: Collection[int],
    current: int,
    *,
    may_stay: bool,
    is_free: Callable[[int], bool],
) -> int | None:
    """The partition to ask for all free slots, or ``None`` when no free one has anything.

    The highest priority decides first. Among equals a shard keeps to its own slice, and leaves it
    only for urgent work that is above everything there, or when it has nothing left there. Among
    what then remains it stays where it is or goes on to the next one around.

    Args:
        ranks: The rank of each partition.
        own: The shard's slice.
        current: Where the last claim went; any number when there was none.
        may_stay: Whether the stay there may go on.
        is_free: Whether a partition may be asked now (no claim of it is outstanding).
    """
    best_own = best = -1
    for partition, its_rank in enumerate(ranks):
        if its_rank > best_own and is_free(partition):
            best = max(best, its_rank)
            if partition in own:
                best_own = its_rank
    if best < 0:
        return None
    leaves = best_own < 0 or (best > best_own and best >= URGENT_RANK)
    wanted = best if leaves else best_own
    if (
        may_stay
        and 0 <= current < len(ranks)
        and ranks[current] == wanted
        and (leaves or current in own)
        and is_free(current)
    ):
        return current
    count = len(ranks)
    for step in range(1, count + 1):
        partition = (current + step) % count
        if ranks[partition] == wanted and (leaves or partition in own) and is_free(partition):
            return partition
    return None


def oldest(
    ranks: Sequence[int], oldest_ms: Sequence[int], is_free: Callable[[int], bool]
) -> int | None:
    """The partition whose oldest ready task has waited longest, or ``None`` when nothing waits.

    Args:
        ranks: The rank of each partition; what is below 0 is passed over.
        oldest_ms: When the oldest task of each was submitted; 0 = not known, and sought first.
        is_free: Whether a partition may be asked now.
    """
    found: int | None = None
    for partition, its_rank in enumerate(ranks):
        if its_rank >= 0 and is_free(partition):
            if oldest_ms[partition] == 0:
                return partition
            if found is None or oldest_ms[partition] < oldest_ms[found]:
                found = partition
    return found


def divide(slots: int, partitions: int, first: int) -> list[int]:
    """Free slots divided among the partitions as evenly as can be; they sum to ``slots``.

    Args:
        slots: How many there are.
        partitions: Among how many.
        first: Who gets the first of what is left over, so that it is not always the same one.
    """
    each, extra = divmod(slots, partitions)
    return [each + ((k - first) % partitions < extra) for k in range(partitions)]
