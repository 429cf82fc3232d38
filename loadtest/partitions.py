"""What a benchmark reads of the partitions while it runs, a few fields a time, beside the broker.

Read straight from the keys, so that watching costs the server next to nothing and what is
measured is not asked to measure itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Self

import redis

from shoal.broker.keys import PartitionKeys
from shoal.model.attempt import parse_history

ID_LENGTH: Final = 36
SLICE: Final = 500


class PartitionReader:
    """Reads counters, journals and histories of all partitions, each in one round trip.

    Args:
        url: The server, as ``REDIS_URL``; one node.
        namespace: ``SHOAL_NAMESPACE``.
        partitions: How many there are.
    """

    def __init__(self, url: str, namespace: str, partitions: int) -> None:
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=10, protocol=2)
        # Replies as Redis sends them: redis-py would reshape those of some commands.
        self._redis.response_callbacks.clear()
        self.partitions = partitions
        self._keys = [PartitionKeys(namespace, n) for n in range(partitions)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._redis.close()

    def now_ms(self) -> int:
        """Redis' time."""
        seconds, micros = self._redis.execute_command("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def count(self, *states: str) -> int:
        """How many tasks are in one of these states."""
        rows = self._each("HMGET", lambda keys: keys.counts, *states)
        return sum(int(value or 0) for row in rows for value in row)

    def completed_ever(self) -> int:
        """How many tasks have completed since the namespace began, pruned ones too."""
        total = 0
        for row in self._each("HGETALL", lambda keys: keys.stats):
            pairs = zip(row[::2], row[1::2], strict=True)
            total += sum(int(value) for name, value in pairs if name.startswith(b"completed:"))
        return total

    def first_start_ms(self, since_ms: int) -> int | None:
        """When the first task since a moment was claimed; to be asked before its event is gone."""
        times = []
        for entries in self._each("XRANGE", lambda keys: keys.events, since_ms, "+", "COUNT", 50):
            times += [_entry_ms(entry) for entry, fields in entries if fields[1] == b"started"][:1]
        return min(times, default=None)

    def last_done_ms(self) -> int:
        """When the last task was recorded as completed; 0 if none ever was."""
        return max(
            (
                _entry_ms(entry)
                for entries in self._each(
                    "XREVRANGE", lambda keys: keys.done(), "+", "-", "COUNT", 1
                )
                for entry, _ in entries
            ),
            default=0,
        )

    def ended_of(self, type: str, cursors: list[str]) -> dict[str, tuple[int, bytes]]:
        """COMPLETED tasks of a type since the last call: when they were recorded (ms), their results.

        Args:
            type: The task type, one whose tasks have results.
            cursors: One a partition, ``-`` at first; moved on by this.
        """
        found: dict[str, tuple[int, bytes]] = {}
        for number, keys in enumerate(self._keys):
            journal = self._redis.execute_command("XRANGE", keys.done(type), cursors[number], "+")
            if not journal:
                continue
            cursors[number] = f"({journal[-1][0].decode()}"
            ended = [
                (task, _entry_ms(entry)) for entry, fields in journal for task in _ids(fields[1])
            ]
            results = self._of_tasks(keys, "result", [task for task, _ in ended])
            for (task, at_ms), result in zip(ended, results, strict=True):
                # Without a result it has been pruned since.
                if result is not None:
                    found[task] = (at_ms, result)
        return found

    def recorded_after_s(self, entries: int) -> list[float]:
        """Seconds from the handler's start to its recorded outcome, of the youngest completed.

        Args:
            entries: How many journal entries (of up to 100 tasks) of each partition to read.
        """
        found: list[float] = []
        journals = self._each("XREVRANGE", lambda keys: keys.done(), "+", "-", "COUNT", entries)
        for keys, journal in zip(self._keys, journals, strict=True):
            ended = [
                (task, _entry_ms(entry)) for entry, fields in journal for task in _ids(fields[1])
            ]
            histories = self._of_tasks(keys, "history", [task for task, _ in ended])
            for (_, ended_ms), history in zip(ended, histories, strict=True):
                runs = [line for line in parse_history(history or b"") if line.kind == "run"]
                if runs:
                    found.append((ended_ms - runs[-1].start_ms) / 1000)
        return found

    def _of_tasks(self, keys: PartitionKeys, field: str, tasks: Sequence[str]) -> list[Any]:
        """One field of many tasks' hashes, ``None`` where it is missing."""
        found: list[Any] = []
        for at in range(0, len(tasks), SLICE):
            with self._redis.pipeline(transaction=False) as pipe:
                for task in tasks[at : at + SLICE]:
                    pipe.hget(keys.task(task), field)
                found += pipe.execute()
        return found

    def _each(
        self, command: str, key: Callable[[PartitionKeys], str], *arguments: Any
    ) -> list[Any]:
        with self._redis.pipeline(transaction=False) as pipe:
            for keys in self._keys:
                pipe.execute_command(command, key(keys), *arguments)
            return list(pipe.execute())


def _entry_ms(entry: bytes) -> int:
    return int(entry.split(b"-")[0])


def _ids(packed: bytes) -> list[str]:
    text = packed.decode()
    return [text[at : at + ID_LENGTH] for at in range(0, len(text), ID_LENGTH)]
