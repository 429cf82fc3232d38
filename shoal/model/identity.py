"""Who is who: task ids, incarnations of workers, and what names may look like.

A task id is a UUIDv7 (RFC 9562) whose 12 ``rand_a`` bits are the task's partition, so that any
process finds a task from its id alone::

    unix ms (48 bits) · version 7 (4) · partition (12) · variant 10 (2) · random (62)
"""

import re
from collections.abc import Callable
from random import Random
from typing import NamedTuple, Self

#: A task's type: what handler runs it.
TYPE_PATTERN = r"^[A-Za-z][A-Za-z0-9_.:-]{0,127}$"
#: A queue. No colon, since ``<queue>:<priority>`` is a stream's name.
QUEUE_PATTERN = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
#: A worker's id, a host's name by default.
WORKER_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"

_TYPE = re.compile(TYPE_PATTERN)
_QUEUE = re.compile(QUEUE_PATTERN)
_WORKER_ID = re.compile(WORKER_ID_PATTERN)
_TASK_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_INCARNATION = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})-(0|[1-9][0-9]{0,5}|isolation)\.([a-z0-9]{6})"
)

_NONCE_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
# The first digit after the third dash carries the variant: its two high bits are always 10.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def task_id(partition: int, unix_ms: int, random62: int) -> str:
    """Compose a task id: 36 characters, lower case.

    Args:
        partition: 0 to 4095.
        unix_ms: Wall time of submission, in milliseconds; below 2**48.
        random62: 62 random bits.

    Raises:
        ValueError: An argument does not fit its bits.
    """
    if not 0 <= random62 < 1 << 62:
        raise ValueError(f"random62 must have at most 62 bits, not {random62:#x}")
    tail = f"{random62 | 1 << 63:016x}"
    return f"{_prefix(partition, unix_ms)}{tail[:4]}-{tail[4:]}"


def partition_of(task_id: str) -> int:
    """The partition that a well-formed task id carries.

    Nothing is checked, for speed: an id from outside goes through ``parse_task_id`` first.
    """
    return int(task_id[15:18], 16)


def parse_task_id(text: str) -> str:
    """Check a task id from outside and return it in lower case.

    Raises:
        ValueError: It is no UUIDv7 in its usual form of 36 characters.
    """
    lowered = text.lower()
    if _TASK_ID.fullmatch(lowered):
        return lowered
    raise ValueError(f"invalid task id {text!r:.80}: it must be a UUIDv7 as Shoal returned it")


class TaskIds:
    """Makes task ids.

    Args:
        clock_ms: Returns wall time in milliseconds.
        rng: Where the random bits come from. A process that forks must pass ``SystemRandom``:
            two children with a copy of one ``Random`` would make the same ids.
    """

    __slots__ = ("_clock_ms", "_rng")

    def __init__(self, clock_ms: Callable[[], int], rng: Random) -> None:
        self._clock_ms = clock_ms
        self._rng = rng

    def new(self, partition: int) -> str:
        """One new id in this partition (0 to 4095)."""
        return self.batch(partition, 1)[0]

    def batch(self, partition: int, n: int) -> list[str]:
        """``n`` new ids in this partition (0 to 4095), all of the same millisecond.

        One read of the clock and one of the random source, whatever ``n`` is.
        """
        prefix = _prefix(partition, self._clock_ms())
        digits = self._rng.randbytes(8 * n).hex()
        variant = _VARIANT
        return [
            f"{prefix}{variant[digits[i]]}{digits[i + 1 : i + 4]}-{digits[i + 4 : i + 16]}"
            for i in range(0, 16 * n, 16)
        ]


#: The slot of a host's isolation shard: not one of those that are counted from 0.
ISOLATION_INDEX = -1


def slot_label(index: int) -> str:
    """What people call a slot: its number, or ``isolation``."""
    return "isolation" if index == ISOLATION_INDEX else str(index)


class Incarnation(NamedTuple):
    """One life of a worker: the name people see, and a nonce that is new at each start."""

    #: ``WORKER_ID`` of the host's supervisor.
    worker_id: str
    #: The shard's slot under its supervisor, from 0; ``ISOLATION_INDEX`` is that of the isolation shard.
    index: int  # type: ignore[assignment]  # tuple.index is not needed here
    #: Six characters of ``[a-z0-9]``; tells this start from the one before.
    nonce: str

    @property
    def name(self) -> str:
        """What people and the admin API call this worker, whatever its nonce: ``web1-0``."""
        return f"{self.worker_id}-{slot_label(self.index)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str()`` wrote: ``web1-0.a1b2c3``.

        Raises:
            ValueError: It has another form.
        """
        match = _INCARNATION.fullmatch(text)
        if match is None:
            raise ValueError(f"invalid incarnation {text!r:.120}: expected WORKER_ID-INDEX.NONCE")
        index = ISOLATION_INDEX if match[2] == "isolation" else int(match[2])
        return cls(match[1], index, match[3])

    def __str__(self) -> str:
        return f"{self.name}.{self.nonce}"


def boot_nonce(rng: Random) -> str:
    """Six random characters of ``[a-z0-9]``, new at each start of a worker."""
    return "".join(rng.choices(_NONCE_ALPHABET, k=6))


def check_type(text: str) -> str:
    """Return a task type as it came.

    Raises:
        ValueError: It does not match ``TYPE_PATTERN``.
    """
    return checked("task type", text, _TYPE, "a letter, then at most 127 of A-Z a-z 0-9 _ . : -")


def check_queue(text: str) -> str:
    """Return a queue's name as it came.

    Raises:
        ValueError: It does not match ``QUEUE_PATTERN``.
    """
    return checked("queue", text, _QUEUE, "a letter, then at most 63 of A-Z a-z 0-9 _ . -")


def check_worker_id(text: str) -> str:
    """Return a worker's id as it came.

    Raises:
        ValueError: It does not match ``WORKER_ID_PATTERN``.
    """
    rule = "a letter or digit, then at most 63 of A-Z a-z 0-9 _ . -"
    return checked("worker id", text, _WORKER_ID, rule)


def checked(what: str, text: str, pattern: re.Pattern[str], rule: str) -> str:
    """Return ``text`` as it came.

    Args:
        what: The name's word, for the error.
        text: From outside.
        pattern: What the whole of it must match.
        rule: The pattern in words: "it must be …".

    Raises:
        ValueError: It does not match.
    """
    # fullmatch, because `$` alone would let a trailing newline through.
    if pattern.fullmatch(text):
        return text
    raise ValueError(f"invalid {what} {text!r:.160}: it must be {rule}")


def _prefix(partition: int, unix_ms: int) -> str:
    """Everything before the random bits: 19 characters, the last one a dash."""
    if not 0 <= partition < 1 << 12:
        raise ValueError(f"partition must be from 0 to 4095, not {partition}")
    if not 0 <= unix_ms < 1 << 48:
        raise ValueError(f"unix_ms must fit in 48 bits, not {unix_ms}")
    ms = f"{unix_ms:012x}"
    return f"{ms[:8]}-{ms[8:]}-7{partition:03x}-"
