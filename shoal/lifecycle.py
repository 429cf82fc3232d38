"""What the supervisor and a shard agree on when one is started by the other.

The two packages never import each other; this is the seam between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoal.errors import ExitStatus

if TYPE_CHECKING:
    from shoal.config import Settings
    from shoal.page import Page

#: Written by a child to ``ready_fd`` once it can claim.
READY = b"R"
#: What a shard leaves between the end of its drain and the supervisor's SIGKILL, in seconds:
#: time to hand back what is left.
RELEASE_RESERVE_S = 3.0
#: Within how many seconds a shard whose supervisor has died hands back all and exits.
ORPHAN_EXIT_S = 2.0
#: Exit status of a shard that has ended well and wants a successor, also in burst mode: its number
#: of tasks or its memory was reached. (0 = it has ended well, and nothing more is said.)
EXIT_RECYCLED = 10
#: Exit status of a shard that has ended well and wants none: an operator wishes it to be down.
EXIT_STAYS_DOWN = 11


@dataclass(frozen=True, slots=True)
class ChildContext:
    """All that a shard is told at its birth."""

    #: Its place in the supervisor, 0, 1, 2 …; the index in ``<WORKER_ID>-<index>``.
    slot_index: int
    #: ``module:app``; imported in the child, so that the supervisor holds no user code.
    app_spec: str
    settings: Settings
    #: Shared with the supervisor, made before the fork.
    page: Page
    #: Written once: ``READY``, or the line of ``startup_failure``.
    ready_fd: int
    #: Read end of a pipe that the supervisor never writes: end of file means it is gone.
    death_fd: int
    #: The incarnation that died in this slot and whose name this one takes over, or ``None``.
    replaces: str | None
    #: Chosen by the supervisor, so that it knows the incarnation of its dead without asking.
    nonce: str
    #: Whether it is the host's isolation shard, which takes only what stands apart, one at a time.
    is_isolation: bool = False
    #: Shards of the host for each core that they may use.
    shards_per_core: float = 1.0


def startup_failure(exit_status: ExitStatus | int, message: str) -> bytes:
    """The line a child writes to ``ready_fd`` before it exits because it cannot start."""
    return f"E{int(exit_status)}:{' '.join(message.split())}\n".encode()


def parse_startup_failure(line: bytes) -> tuple[int, str] | None:
    """The exit status and message of such a line; ``None`` when it is none (yet)."""
    if not line.startswith(b"E") or b":" not in line:
        return None
    status, _, message = line[1:].decode("utf-8", "replace").partition(":")
    return (int(status), message.strip()) if status.isdigit() else None
