"""Priorities: the levels inside a queue."""

from enum import IntEnum
from typing import Self


class Priority(IntEnum):
    """How soon a task is taken among those of its queue; a higher number goes first."""

    #: Whenever nothing else waits.
    LOW = 0
    #: What a task has when nothing is said.
    NORMAL = 1
    #: Before everything ordinary.
    HIGH = 2
    #: Before everything; a worker that is busy elsewhere is told at once.
    CRITICAL = 3

    @classmethod
    def parse(cls, value: "str | int | Priority") -> Self:
        """Read a priority as people write it.

        Args:
            value: A name in any case (``"high"``), a number (``2``), or a number as text (``"2"``).

        Raises:
            ValueError: It is none of these; the message lists the names.
        """
        given: object = value
        level: object = None
        if isinstance(given, str):
            text = given.strip().upper()
            level = cls.__members__.get(text, _BY_DIGIT.get(text))
        elif isinstance(given, int) and not isinstance(given, bool):
            level = cls._value2member_map_.get(given)
        if isinstance(level, cls):
            return level
        names = ", ".join(f"{level.name} ({level.value})" for level in cls)
        raise ValueError(f"unknown priority {value!r:.80}: use one of {names}")


_BY_DIGIT = {str(level.value): level for level in Priority}
