"""Redis' errors by one table."""

from enum import Enum

from shoal.errors import BrokerError, BrokerUnavailable, MemoryFull, PartitionPaused, ShoalError


class ErrorKind(Enum):
    """What can be done about an error reply."""

    #: Redis is away or can't serve now: back off, try again for ever.
    UNAVAILABLE = "unavailable"
    #: Something on our side or in the topology is repaired, then the call is repeated once.
    REPAIRABLE = "repairable"
    #: Repeating the same call would fail the same way.
    FATAL = "fatal"


#: By the first word of the reply. NOSCRIPT and its like mean that nothing was done.
_KINDS = {
    **dict.fromkeys(
        (
            "LOADING", "READONLY", "MISCONF", "OOM", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "ASK",
            "MASTERDOWN", "BUSY", "UNKILLABLE",
        ),
        ErrorKind.UNAVAILABLE,
    ),
    **dict.fromkeys(("NOSCRIPT", "NOGROUP", "MOVED"), ErrorKind.REPAIRABLE),
}  # fmt: skip


def kind_of(text: str) -> ErrorKind:
    """Classify an error reply by its text.

    An error raised inside a script may carry the word further in (``... -NOGROUP ...``), so the
    whole text is searched when its first word says nothing.
    """
    word = text.split(" ", 1)[0].lstrip("-")
    if word in _KINDS:
        return _KINDS[word]
    for known, kind in _KINDS.items():
        if f"{known} " in text:
            return kind
    return ErrorKind.FATAL


class PartitionMissing(BrokerUnavailable):
    """The partition's marker is not there: it has not been made yet, or its slot is on the move."""


def error_for(text: str, partition: int | None = None) -> ShoalError:
    """The exception for an error reply that no repair has mended."""
    if text.startswith("paused"):
        return PartitionPaused(f"partition {partition} is paused", partition=partition)
    if text == "no_partition":
        return PartitionMissing(f"partition {partition} is not there")
    if text.startswith(("OOM", "-OOM")):
        return MemoryFull()
    if kind_of(text) is ErrorKind.FATAL:
        return BrokerError(f"Redis refused the call: {text[:500]}")
    return BrokerUnavailable(f"Redis can't serve now: {text[:500]}")
