"""Which tasks an operator means: these ids, or all that fit a filter."""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shoal.model.identity import check_queue, check_type, checked, parse_task_id
from shoal.model.transitions import State

#: The form of an operation's id.
OPERATION_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_OPERATION = re.compile(OPERATION_PATTERN)
#: What a worker names an error by.
_FINGERPRINT = re.compile(r"\S{1,128}")


class BulkVerb(StrEnum):
    """What can be done to many tasks at once."""

    REQUEUE = "requeue"
    CANCEL = "cancel"
    DELETE = "delete"


#: The states each verb may select by.
STATES: Final = {
    BulkVerb.REQUEUE: (State.DEAD, State.FAILED, State.CANCELLED),
    BulkVerb.CANCEL: (State.PENDING, State.SCHEDULED, State.FAILED, State.RUNNING),
    BulkVerb.DELETE: (State.DEAD, State.CANCELLED, State.COMPLETED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Either ``ids``, or a filter whose conditions must all hold.

    Nothing is selected by accident: a filter names its states.

    Attributes:
        ids: These tasks, whatever their state; the verb refuses what it can't be applied to.
        states: Tasks in any of these states when the step that looks at them is done.
        type: Only this task type.
        fingerprint: Only what died of this error; only with the state DEAD.
        queue: Only tasks of this queue.
        since_ms: Only whose state began at this time (Unix ms) or later; of PENDING and RUNNING
            tasks: that became ready then.
        until_ms: Only until this time; ``None`` and anything later = until the operation began.
    """

    ids: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    type: str | None = None
    fingerprint: str | None = None
    queue: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def checked(self, verb: BulkVerb) -> "Selection":
        """The same with ids and states in order, each once.

        Raises:
            ValueError: It contradicts itself, selects nothing, or this verb can't be applied.
        """
        filters = (self.type, self.fingerprint, self.queue, self.since_ms, self.until_ms)
        has_filter = bool(self.states) or any(value is not None for value in filters)
        if self.ids and has_filter:
            raise ValueError("give task ids or a filter, not both")
        if self.ids:
            return Selection(ids=tuple(sorted({parse_task_id(i) for i in self.ids})))
        allowed = STATES[verb]
        if not self.states:
            words = ", ".join(allowed)
            raise ValueError(f"say which tasks: their ids, or a state of {words}")
        if wrong := [state for state in self.states if state not in allowed]:
            words = ", ".join(allowed)
            raise ValueError(f"{verb} takes the states {words}, not {wrong[0]}")
        if self.fingerprint is not None:
            if self.states != (State.DEAD,):
                raise ValueError("a fingerprint goes with the state DEAD alone")
            if not _FINGERPRINT.fullmatch(self.fingerprint):
                raise ValueError(f"invalid fingerprint {self.fingerprint!r:.160}")
        if self.type is not None:
            check_type(self.type)
        if self.queue is not None:
            check_queue(self.queue)
        for at in (self.since_ms, self.until_ms):
            if at is not None and not 0 <= at < 1 << 48:
                raise ValueError("a time must be Unix milliseconds")
        states = tuple(state for state in allowed if state in self.states)
        return Selection(
            states=states,
            type=self.type,
            fingerprint=self.fingerprint,
            queue=self.queue,
            since_ms=self.since_ms,
            until_ms=self.until_ms,
        )

    def digest(self, verb: BulkVerb, argument: str, rate: float | None = None) -> str:
        """What tells this wish from any other, in 32 hexadecimal digits.

        Args:
            verb: What is done.
            argument: Of the verb.
            rate: Tasks a second; ``None`` = no limit.
        """
        paced = () if rate is None else (f"rate={rate!r}",)
        parts = (verb.value, argument, *paced, *map(str, self.states), *self.ids)
        rest = (self.type, self.fingerprint, self.queue, self.since_ms, self.until_ms)
        text = "\n".join([*parts, "", *("" if value is None else str(value) for value in rest)])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def check_operation_id(text: str) -> str:
    """Return an operation's id as it came.

    Raises:
        ValueError: It does not match ``OPERATION_PATTERN``.
    """
    rule = "1 to 64 of A-Z a-z 0-9 _ . -, beginning with a letter or digit"
    return checked("operation id", text, _OPERATION, rule)
