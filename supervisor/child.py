"""What every child of the supervisor does first, and how it ends."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from shoal.supervisor.signals import blocked_signals, reset_in_child
from shoal.telemetry.logs import logger

__all__ = ["DUMP_SIGNAL", "EXIT_FAILED", "EXIT_ORPHANED", "end_with_parent", "fork", "resolve"]

#: A child that gets it writes the stacks of all its threads to standard error and goes on.
DUMP_SIGNAL = signal.SIGUSR2
#: A child's main raised.
EXIT_FAILED = 1
#: The supervisor was gone before its child was ready.
EXIT_ORPHANED = 75

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


def resolve(name: str) -> Callable[..., Any]:
    """The function that ``package.module:function`` names.

    Raises:
        ValueError: It is no such name.
        ImportError, AttributeError: There is none.
    """
    module, _, function = name.partition(":")
    if not module or not function:
        raise ValueError(f"{name!r} does not name a function: it must be 'module:function'")
    found = getattr(importlib.import_module(module), function)
    if not callable(found):
        raise TypeError(f"{name!r} is not a function")
    return found  # type: ignore[no-any-return]


def fork(
    run: Callable[[], int], *, title: str, close: Iterable[int], death_signal: signal.Signals
) -> int:
    """Fork a child that calls ``run`` and ends with the status it returns.

    Args:
        run: Called in the child. What it raises is logged, and the child ends with ``EXIT_FAILED``.
        title: What ``ps`` and ``top`` show, at most 15 bytes.
        close: File descriptors that only the supervisor may hold, above all the write end of the
            death pipe: while a sibling holds it, nobody would see the supervisor's end.
        death_signal: What the kernel sends the child when the supervisor is gone; Linux only.

    Returns:
        The child's process id.

    Raises:
        OSError: The system has no process to give.
    """
    parent_pid = os.getpid()
    with blocked_signals():
        pid = os.fork()
        if pid:
            return pid
        # From here on in the child, which must never return into the supervisor's code.
        status = EXIT_FAILED
        try:
            _prepare(parent_pid, title, close, death_signal)
            status = run()
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else EXIT_FAILED
        except BaseException:  # noqa: BLE001 - the last frame of the process
            with contextlib.suppress(Exception):
                logger.exception("{} failed", title)
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(status)
    raise AssertionError  # pragma: no cover - a child never gets here


def _prepare(
    parent_pid: int, title: str, close: Iterable[int], death_signal: signal.Signals
) -> None:
    for fd in close:
        with contextlib.suppress(OSError):
            os.close(fd)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        libc.prctl(_PR_SET_NAME, title.encode()[:15], 0, 0, 0)
    # A supervisor that died before that call sends no signal any more.
    if os.getppid() != parent_pid:
        os._exit(EXIT_ORPHANED)
    # Written in C, so also while some C code holds the interpreter's lock.
    with contextlib.suppress(Exception):  # standard error may be no real file
        faulthandler.enable()
        faulthandler.register(DUMP_SIGNAL, all_threads=True, chain=False)
    gc.enable()
    reset_in_child()


def end_with_parent(death_fd: int) -> None:
    """End this process as soon as the supervisor is gone; for children that hold no tasks.

    Args:
        death_fd: Read end of the death pipe; end of file means that the supervisor is gone.
    """

    def wait() -> None:
        with contextlib.suppress(OSError):
            os.read(death_fd, 1)
        os._exit(EXIT_ORPHANED)

    threading.Thread(target=wait, name="death pipe", daemon=True).start()
