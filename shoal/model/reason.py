"""Why a task is DEAD: the one table of the words. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class DeadReason(StrEnum):
    """The ``reason`` of a DEAD task; never another word."""

    EXHAUSTED = "exhausted"
    TIMEOUT = "timeout"
    INVALID_PAYLOAD = "invalid_payload"
    QUARANTINED = "quarantined"
    LOST_TOO_OFTEN = "lost_too_often"
    NO_HANDLER = "no_handler"
    DEPENDENCY_FAILED = "dependency_failed"
    DECRYPT = "decrypt"
    INTERNAL = "internal"


#: What each reason says to people; the documentation is made from it.
DEAD_MEANINGS: Mapping[DeadReason, str] = MappingProxyType(
    {
        DeadReason.EXHAUSTED: "The handler failed, and no retry is left or none would help: the "
        "policy is used up, or it raised `NonRetryable` or what its type gives up on, or its "
        "result cannot be kept. The error says which.",
        DeadReason.TIMEOUT: "Its last attempt ran longer than its timeout.",
        DeadReason.INVALID_PAYLOAD: "The payload is not what the handler takes; the error names "
        "the fields.",
        DeadReason.QUARANTINED: "Its code was executing too often when its shard crashed "
        "(SHOAL_MAX_CRASHES).",
        DeadReason.LOST_TOO_OFTEN: "Its worker was killed or lost too often while it ran.",
        DeadReason.NO_HANDLER: "No worker had a handler for its type, for long enough.",
        DeadReason.DEPENDENCY_FAILED: "A task that it depends on did not complete.",
        DeadReason.DECRYPT: "Its payload cannot be decrypted: the worker lacks the key, or it was "
        "changed or moved.",
        DeadReason.INTERNAL: "The broker would not take its outcome; see the worker's log.",
    }
)
