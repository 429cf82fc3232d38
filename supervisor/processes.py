"""Small questions to the system about processes."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

from shoal.supervisor.slot import Ending

__all__ = ["children_of", "ending_of", "is_stopped", "memory_of", "send"]


def ending_of(pid: int) -> Ending | None:
    """How this child of ours ended; None = it has not. It must be asked only until it has."""
    try:
        found, wait_status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        # Somebody else took its status: it is gone, and nobody knows how.
        return Ending(1 << 8)
    return Ending(wait_status) if found else None


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a child that may have ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def is_stopped(pid: int) -> bool:
    """Whether a signal or a debugger keeps this process from running."""
    try:
        status = psutil.Process(pid).status()
    except psutil.Error:
        return False
    return status in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP}


def memory_of(pid: int) -> int:
    """Its resident memory in bytes; 0 when it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def children_of(pid: int) -> set[int]:
    """Process ids of its children; empty where the system does not tell (Linux does)."""
    try:
        lists = Path(f"/proc/{pid}/task").glob("*/children")
        return {int(child) for text in lists for child in text.read_text().split()}
    except OSError:
        return set()
