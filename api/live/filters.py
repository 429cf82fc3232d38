"""Which events a client wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import msgspec

from shoal.broker.happenings import Happening
from shoal.model.event import EventType
from shoal.model.identity import parse_task_id
from shoal.model.priority import Priority

#: Values a filter may list under one name.
MAX_VALUES = 100
_PERIODIC = frozenset({EventType.QUEUE_DEPTH.value, EventType.SYSTEM_METRICS.value})
_NAMES = frozenset(event.value for event in EventType)


class FilterSpec(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A filter as it comes."""

    events: list[str] | None = None
    types: list[str] | None = None
    queues: list[str] | None = None
    priorities: list[str] | None = None
    workers: list[str] | None = None
    tasks: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """What an event must be like; ``None`` = any. Equal filters share their work."""

    events: frozenset[str] | None = None
    types: frozenset[str] | None = None
    queues: frozenset[str] | None = None
    priorities: frozenset[int] | None = None
    workers: frozenset[str] | None = None
    tasks: frozenset[str] | None = None

    @classmethod
    def build(cls, spec: FilterSpec) -> Self:
        """From what came.

        Raises:
            ValueError: A value can fit nothing; says which.
        """
        for name in spec.__struct_fields__:
            if len(getattr(spec, name) or ()) > MAX_VALUES:
                raise ValueError(f"{name}: at most {MAX_VALUES} values")
        return cls(
            events=None if spec.events is None else frozenset(_event_names(spec.events)),
            types=_set(spec.types),
            queues=_set(spec.queues),
            priorities=None
            if spec.priorities is None
            else frozenset(int(Priority.parse(word)) for word in spec.priorities),
            workers=_set(spec.workers),
            tasks=None
            if spec.tasks is None
            else frozenset(parse_task_id(text) for text in spec.tasks),
        )

    @property
    def wants_periodic(self) -> bool:
        """Whether it names what is sent each second."""
        return self.events is not None and bool(self.events & _PERIODIC)

    def fits(self, happening: Happening, *, is_periodic: bool = False) -> bool:
        """Whether this is wanted; what comes each second, whatever happens, only by its name."""
        event = happening.event
        if event is None:
            return False
        if self.events is None:
            if is_periodic:
                return False
        elif event.value not in self.events:
            return False
        return (
            (self.types is None or happening.task_type in self.types)
            and (self.queues is None or happening.queue in self.queues)
            and (self.priorities is None or happening.priority in self.priorities)
            and (self.tasks is None or happening.task_id in self.tasks)
            and (self.workers is None or happening.worker_id in self.workers)
        )


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _event_names(patterns: Iterable[str]) -> Iterable[str]:
    for pattern in patterns:
        if pattern in _NAMES:
            yield pattern
            continue
        prefix = pattern.removesuffix("*")
        found = [name for name in _NAMES if pattern.endswith(".*") and name.startswith(prefix)]
        if not found:
            raise ValueError(f"events: there is no event {pattern!r:.80}")
        yield from found


def filter_of(query: Mapping[str, str]) -> Filter:
    """From the parameters of an address, values with commas between.

    Raises:
        ValueError: A value can fit nothing.
    """
    lists = {
        name: [word.strip() for word in query[name].split(",") if word.strip()]
        for name in FilterSpec.__struct_fields__
        if name in query
    }
    return Filter.build(FilterSpec(**lists))
