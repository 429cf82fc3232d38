"""A worker as the registry and the admin API show it: one shard process."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shoal.model.task import format_time, from_unix_ms


class WorkerState(StrEnum):
    """What a worker is doing."""

    #: Claims, and has nothing to run.
    IDLE = "IDLE"
    #: Runs at least one task.
    BUSY = "BUSY"
    #: Claims nothing until it is resumed; what runs goes on.
    PAUSED = "PAUSED"
    #: Finishes what runs, hands back the rest and ends.
    SHUTTING_DOWN = "SHUTTING_DOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """What a worker says about itself with each heartbeat. Times are Unix milliseconds."""

    #: ``<WORKER_ID>-<index>.<nonce>``: this life of the worker.
    incarnation: str
    state: WorkerState
    #: Tasks that it runs at once at most.
    concurrency: int
    #: Tasks that it runs now.
    current_tasks: int = 0
    #: Attempts that ended since it started, however they ended.
    processed_count: int = 0
    #: Of these, the ones that failed.
    failed_count: int = 0
    started_at_ms: int
    last_heartbeat_ms: int
    host: str
    pid: int
    #: Of Shoal.
    version: str
    #: Queues that it serves; empty = all.
    queues: tuple[str, ...] = ()
    #: Resident set of the process; 0 = not known.
    memory_bytes: int = 0
    #: Busy slots over all slots since the last heartbeat, 0 to 1.
    utilisation: float = 0.0
    #: By what it is throttled: ``latency`` (of Redis), ``memory``, ``cpu``; empty = by nothing.
    throttled: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """What people call this worker: the incarnation without its nonce."""
        return self.incarnation.rpartition(".")[0]

    def to_json(self) -> dict[str, Any]:
        """The worker as the API and ``shoal workers --json`` show it; times are ISO 8601, memory is in bytes."""
        return {
            "id": self.id,
            "incarnation": self.incarnation,
            "state": self.state.value,
            "concurrency": self.concurrency,
            "current_tasks": self.current_tasks,
            "processed_count": self.processed_count,
            "failed_count": self.failed_count,
            "started_at": format_time(from_unix_ms(self.started_at_ms)),
            "last_heartbeat": format_time(from_unix_ms(self.last_heartbeat_ms)),
            "host": self.host,
            "pid": self.pid,
            "version": self.version,
            "queues": list(self.queues),
            "memory": self.memory_bytes,
            "utilisation": self.utilisation,
            "throttled": list(self.throttled),
        }
