"""What the server says about itself: its CPU time, memory, append-only file and commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import redis


@dataclass(frozen=True)
class ServerReading:
    """One reading of ``INFO``.

    Attributes:
        cpu_s: User and system CPU seconds of the server process, all threads.
        used_memory: Bytes that the server has allocated.
        aof_bytes: Size of the append-only file; 0 when it keeps none.
        calls: Calls so far, by command.
    """

    cpu_s: float
    used_memory: int
    aof_bytes: int
    calls: Mapping[str, int]

    def script_calls_since(self, before: ServerReading) -> int:
        """How many scripts ran between the two readings: each verb of the broker is one."""
        names = ("evalsha", "eval")
        return sum(self.calls.get(name, 0) - before.calls.get(name, 0) for name in names)


class ServerProbe:
    """A connection that only looks."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=10, protocol=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._redis.close()

    def read(self) -> ServerReading:
        """Read ``INFO`` once; costs the server about 0.1 ms."""
        info: dict[str, Any] = self._redis.info("everything")
        calls = {
            name.removeprefix("cmdstat_"): int(value["calls"])
            for name, value in info.items()
            if name.startswith("cmdstat_")
        }
        return ServerReading(
            cpu_s=float(info["used_cpu_user"]) + float(info["used_cpu_sys"]),
            used_memory=int(info["used_memory"]),
            aof_bytes=int(info.get("aof_current_size", 0)),
            calls=calls,
        )

    def version(self) -> str:
        """The server's name and version, e.g. ``redis 7.0.15``."""
        info: dict[str, Any] = self._redis.info("server")
        if "valkey_version" in info:
            return f"valkey {info['valkey_version']}"
        return f"redis {info['redis_version']}"

    def erase(self, namespace: str) -> None:
        """Remove every key of a namespace: its global keys and those of its partitions."""
        for pattern in (f"{{{namespace}:*", f"{{{namespace}}}:*", f"{namespace}:*"):
            for names in _slices(self._redis.scan_iter(match=pattern, count=1000)):
                self._redis.unlink(*names)


def _slices(names: Any) -> Any:
    batch: list[bytes] = []
    for name in names:
        batch.append(name)
        if len(batch) == 500:
            yield batch
            batch = []
    if batch:
        yield batch
