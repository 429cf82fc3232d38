"""A supervisor over fake shards, as a child of the test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.support.fake_shard import DIRECTORY_VARIABLE, POLICY_VARIABLE
from tests.support.ledger import whole_lines
from tests.support.processes import ChildProcess, is_alive, python
from tests.support.waiting import wait_until

__all__ = ["Supervised"]


class Supervised:
    """A real supervisor whose shards are ``tests.support.fake_shard``; a context manager."""

    def __init__(
        self,
        directory: Path,
        behaviour: str = "work",
        *,
        shards: int = 2,
        env: Mapping[str, str] | None = None,
        policy: Mapping[str, float] | None = None,
    ) -> None:
        self.directory = directory
        self.behave(behaviour)
        (directory / "events").touch()
        (directory / "tmp").mkdir(exist_ok=True)
        settings = {
            DIRECTORY_VARIABLE: str(directory),
            "TMPDIR": str(directory / "tmp"),
            "SHOAL_SHARDS": str(shards),
            "WORKER_ID": "test1",
            "WORKER_SHUTDOWN_TIMEOUT": "5s",
            "SHOAL_LEASE": "3s",
            "SHOAL_REDIS_TIMEOUT": "50ms",
            "SHOAL_RUN_DIR": str(directory / "run"),
            **(env or {}),
        }
        if policy is not None:
            settings[POLICY_VARIABLE] = json.dumps(dict(policy))
        self.process: ChildProcess = python("-m", "tests.support.fake_shard", env=settings)

    def behave(self, behaviour: str) -> None:
        """What shards that start from now on do."""
        (self.directory / "behaviour").write_text(behaviour)

    def events(self, name: str) -> list[dict[str, Any]]:
        """All events of this name so far, in order."""
        lines = whole_lines(self.directory / "events")
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def wait_for(self, name: str, count: int, timeout_s: float = 15.0) -> list[dict[str, Any]]:
        """Wait until there are ``count`` events of this name."""

        def enough() -> list[dict[str, Any]]:
            events = self.events(name)
            return events if len(events) >= count else []

        try:
            return wait_until(enough, f"{count} events {name!r}", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.process.stderr[-3000:]}") from None

    def living(self) -> list[int]:
        """Process ids of the shards that live, by start."""
        return [event["pid"] for event in self.events("start") if is_alive(event["pid"])]

    def __enter__(self) -> Self:
        self.process.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.close()
