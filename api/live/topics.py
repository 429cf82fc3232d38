"""Topics that show a state: a snapshot for who comes, deltas for who is there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from shoal.api.live.outbox import Outbox
from shoal.api.live.public import time_text

_ABSENT = object()


class Topic:
    """One state, and who follows it.

    Args:
        name: In frames.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.outboxes: set[Outbox] = set()
        self._data: Mapping[str, Any] | None = None
        self._version = time.time_ns() // 1_000_000

    @property
    def is_shown(self) -> bool:
        """Whether those who follow it have been shown a state."""
        return self._data is not None

    def join(self, outbox: Outbox) -> None:
        """Follow it; a snapshot comes as soon as there is one."""
        self.outboxes.add(outbox)
        if self._data is not None:
            outbox.put_state(self.name, None, self.snapshot)

    def leave(self, outbox: Outbox) -> None:
        """Follow it no more; what is known is forgotten with the last follower."""
        self.outboxes.discard(outbox)
        if not self.outboxes:
            self._data = None

    def show(self, data: Mapping[str, Any]) -> None:
        """What is so now: sent as far as it is news."""
        before, self._data = self._data, data
        if before is None:
            for outbox in self.outboxes:
                outbox.put_state(self.name, None, self.snapshot)
            return
        changed = {
            name: value for name, value in data.items() if before.get(name, _ABSENT) != value
        }
        changed.update((name, None) for name in before if name not in data)
        if not changed:
            return
        self._version += 1
        frame = self._frame("delta", changed)
        for outbox in self.outboxes:
            outbox.put_state(self.name, frame, self.snapshot)

    def snapshot(self) -> bytes:
        """All of it, as a frame."""
        return self._frame("snapshot", self._data or {})

    def _frame(self, kind: str, data: Mapping[str, Any]) -> bytes:
        return msgspec.json.encode(
            {
                "kind": kind,
                "topic": self.name,
                "version": self._version,
                "timestamp": time_text(time.time_ns() // 1_000_000),
                "data": data,
            }
        )
