"""Runs a program that the kernel kills when its parent dies.

A small launcher, executed as a file and not imported, in between a parent and the
program: it ties its own life to the parent's and then becomes the program (same
process id). Doing this between ``fork`` and ``exec`` in the parent itself is not safe
once the parent has threads, and a launcher has none.

The tie is ``PR_SET_PDEATHSIG``, so it exists on Linux only. It follows the *thread* that
started the launcher: call from a thread that lives as long as the process, in practice
the main thread. Where it does not exist the program simply runs untied.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1
EXIT_ORPHANED = 75
"""The parent was already gone when the launcher looked."""


def tethered(command: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """The command line that runs ``command`` tied to the calling process.

    Args:
        command: The program and its arguments.
        death_signal: What the program gets when the caller dies, however it dies.
    """
    if sys.platform != "linux" or not sys.executable:
        return list(command)
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    return [*launcher, str(int(death_signal)), str(os.getpid()), *command]


def main(arguments: Sequence[str]) -> NoReturn:  # pragma: no cover - runs without site packages
    """Tie this process to ``arguments[1]`` (a process id) and become ``arguments[2:]``."""
    import ctypes

    death_signal, parent_pid, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    # A parent that blocks signals around its forks would hand that on, and with it deafness
    # to the very signal that is to end the program.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    # A parent that died before the call above sends no signal any more.
    if os.getppid() != parent_pid:
        sys.exit(EXIT_ORPHANED)
    os.execvp(command[0], list(command))  # noqa: S606 - becoming the program is the purpose


if __name__ == "__main__":  # pragma: no cover - likewise
    main(sys.argv[1:])
