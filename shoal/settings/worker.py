"""How the shards of a host work."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from dataclasses import dataclass

from shoal.model.identity import check_queue, check_worker_id
from shoal.settings.kinds import Duration, Names, Number, Size, Switch, Text, Whole
from shoal.settings.setting import PORT, setting


def _host_worker_id() -> str:
    """The host's name, made to fit a worker id."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname()).lstrip("_.-")[:64]
    return name or "worker"


def _run_dir() -> str:
    """Where a user's running programs keep what others of the same user find them by."""
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    if own:
        return f"{own}/shoal"
    return f"{tempfile.gettempdir()}/shoal-{os.getuid()}"


_WORKER_ID_RULE = (
    "must be 1 to 64 letters, digits, '_', '.' or '-', beginning with a letter or digit"
)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How the shards of a host work."""

    id: str = setting(
        "WORKER_ID", _host_worker_id,
        Text(check_worker_id, "name", _WORKER_ID_RULE),
        "Name of this host among the workers; shard n is `<WORKER_ID>-<n>`.",
        default_text="the host's name",
    )  # fmt: skip
    concurrency: int = setting(
        "WORKER_CONCURRENCY", 10, Whole(1, 10_000, "tasks"), "Tasks that one shard runs at once."
    )
    heartbeat_s: float = setting(
        "WORKER_HEARTBEAT_INTERVAL", 5.0, Duration(0.5, 60),
        "How often a shard reports; after 3 missed reports it counts as lost.",
    )  # fmt: skip
    shutdown_timeout_s: float = setting(
        "WORKER_SHUTDOWN_TIMEOUT", 30.0, Duration(4, 86_400),
        "Within what a stopping worker is gone; the last 3 s are for handing back what still runs.",
    )  # fmt: skip
    shards: int | None = setting(
        "SHOAL_SHARDS", None, Whole(1, 1024, "processes"),
        "Shards (processes) of this host.", default_text="cores - 1, at least 1",
    )  # fmt: skip
    lease_s: float = setting(
        "SHOAL_LEASE", 15.0, Duration(3, 3600),
        "How long a claim holds without being renewed; the same on every host.",
    )  # fmt: skip
    max_crashes: int = setting(
        "SHOAL_MAX_CRASHES", 3, Whole(1, 100, "crashes"),
        "Crashes of a shard that a task may cause before it is DEAD (quarantined).",
    )  # fmt: skip
    isolation_idle_s: float = setting(
        "SHOAL_ISOLATION_IDLE", 15.0, Duration(1, 3600),
        "After how long without a task the host's isolation shard ends.",
    )  # fmt: skip
    metrics_port: int | None = setting(
        "SHOAL_METRICS_PORT", None, PORT,
        "Where the host serves /metrics, /livez and /readyz.", default_text="not served",
    )  # fmt: skip
    queues: tuple[str, ...] = setting(
        "SHOAL_QUEUES", (), Names(check_queue, "must be queue names with commas between them"),
        "Queues that this worker serves.", default_text="all",
    )  # fmt: skip
    burst: bool = setting("", False, Switch(), "Whether shards exit when no work is left.")
    nice: int | None = setting(
        "SHOAL_NICE", None, Whole(0, 19, "levels"),
        "Niceness of shards: how far they stand back when processes compete for a CPU.",
        default_text="0, or 10 when Redis is on the same host, and up to 19 the more shards share a core",
    )  # fmt: skip
    run_dir: str = setting(
        "SHOAL_RUN_DIR", _run_dir, Text(),
        "Where a supervisor leaves the file by which `shoal reload` finds it.",
        default_text="`$XDG_RUNTIME_DIR/shoal`, otherwise `shoal-<uid>` in the folder for temporary files",
    )  # fmt: skip
    throttle_latency_s: float = setting(
        "SHOAL_THROTTLE_LATENCY", 0.5, Duration(0.001, 60),
        "When Redis takes longer than this to answer a PING three times in a row, a shard claims nothing until "
        "one is faster.",
    )  # fmt: skip
    throttle_memory: int | None = setting(
        "SHOAL_THROTTLE_MEMORY", None, Size(32 * 1024**2, 1024**5),
        "Above this much resident memory a shard runs fewer tasks at once, the fewer the nearer it is to "
        "SHOAL_MAX_MEMORY_PER_SHARD (when not set: to a quarter more), but one at least.",
        default_text="never",
    )  # fmt: skip
    throttle_cpu: float | None = setting(
        "SHOAL_THROTTLE_CPU", None, Number(0.1, 0.99, "share"),
        "Above this share of the CPU time of the host, or of its container's quota, a shard runs fewer tasks at "
        "once, the fewer the busier, but one at least.",
        default_text="never",
    )  # fmt: skip
    max_tasks_per_shard: int | None = setting(
        "SHOAL_MAX_TASKS_PER_SHARD", None, Whole(1, 10**12, "tasks"),
        "After how many tasks a shard is replaced.", default_text="never",
    )  # fmt: skip
    max_memory_per_shard: int | None = setting(
        "SHOAL_MAX_MEMORY_PER_SHARD", None, Size(32 * 1024**2, 1024**5),
        "At how much resident memory a shard ends and is replaced; at 1.5 times that it is killed.",
        default_text="never",
    )  # fmt: skip
