"""Child processes of a test: started with captured output, ended by process id, tree and all."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from shoal.embedded.tether import tethered
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
MARK_VARIABLE = "SHOAL_TEST_MARK"
MARK = uuid.uuid4().hex
"""In the environment of everything this test process starts, so that orphans can be found."""

OWN_SETTINGS = ("SHOAL_", "WORKER_", "REDIS_", "TASK_", "MAX_", "API_", "ADMIN_", "JWT_")
"""Settings of the machine that runs the suite; children do not inherit them."""


class ChildProcess:
    """A program started by a test; a context manager that leaves nothing running.

    Output goes to files, so a child that writes much is never blocked by its reader. The
    coverage of Python children is measured when that of the test is.

    Args:
        command: Program and arguments.
        env: Settings; the test's environment without Shoal's own is beneath them.
        cwd: Where it runs; default the repository.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.command = list(command)
        self._env = {**clean_environment(), **(env or {})}
        self._cwd = cwd or ROOT
        self._directory = Path(tempfile.mkdtemp(prefix="shoal-child-"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, in a session of its own; returns at once."""
        global started_children  # noqa: PLW0603 - a counter that the standing watch reads
        started_children += 1
        command = self.command
        if threading.current_thread() is threading.main_thread():
            command = tethered(command, signal.SIGKILL)
        with (
            (self._directory / "stdout").open("wb") as out,
            (self._directory / "stderr").open("wb") as err,
        ):
            self._process = subprocess.Popen(
                command,
                cwd=self._cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int:
        """Its process id, also after its end."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status (negative: the signal that ended it), ``None`` while it runs."""
        return self._popen.poll()

    @property
    def stdout(self) -> str:
        """All it has written to standard output so far."""
        return (self._directory / "stdout").read_text("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """All it has written to standard error so far."""
        return (self._directory / "stderr").read_text("utf-8", "replace")

    def children(self, *, recursive: bool = False) -> list[int]:
        """The process ids of its children, or of all its descendants."""
        return children_of(self.pid, recursive=recursive)

    def send(self, how: signal.Signals) -> None:
        """Send a signal to it alone, not to its children."""
        self._popen.send_signal(how)

    def kill(self) -> None:
        """Kill -9 it alone and reap it; its children are left to notice."""
        self.send(signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        """Send SIGTERM; see ``wait``."""
        self.send(signal.SIGTERM)

    def wait(self, timeout_s: float = 30.0) -> int:
        """Wait for its end.

        Returns:
            Its exit status; negative: the signal that ended it.

        Raises:
            AssertionError: It still runs after ``timeout_s``; the message has its output.
        """
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s:g} s: {self._story()}") from None

    def wait_for_output(self, text: str, timeout_s: float = 30.0) -> None:
        """Wait until it has written ``text`` to either output.

        Raises:
            AssertionError: It did not in time, or ended before; the message has its output.
        """

        def has_written() -> bool:
            has_ended = self.returncode is not None
            if text in self.stdout or text in self.stderr:
                return True
            if has_ended:
                raise AssertionError(f"ended before it wrote {text!r}: {self._story()}")
            return False

        try:
            wait_until(has_written, f"{text!r} in the output", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._story()}") from None

    def close(self) -> None:
        """Kill what still runs of it and its descendants, and remove its output."""
        if self._process is not None:
            pids = [self.pid, *self.children(recursive=True)] if self.returncode is None else []
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(10)
            wait_until(lambda: not any(map(is_alive, pids)), f"{pids} are gone")
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def _popen(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the child process is not started")
        return self._process

    def _story(self) -> str:
        return (
            f"{' '.join(self.command)} (exit status {self.returncode})\n"
            f"stdout: {self.stdout[-3000:]}\nstderr: {self.stderr[-3000:]}"
        )


started_children = 0
"""How many children this test process has started."""


def shoal(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> ChildProcess:
    """One of Shoal's commands as a child, not yet started."""
    return ChildProcess([sys.executable, "-m", "shoal", *arguments], env=env, cwd=cwd)


def python(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> ChildProcess:
    """A child of this interpreter, not yet started."""
    return ChildProcess([sys.executable, *arguments], env=env, cwd=cwd)


def clean_environment() -> dict[str, str]:
    """The test's environment without settings of Shoal, able to import ``shoal`` and ``tests``."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(OWN_SETTINGS)}
    paths = [str(ROOT), *filter(None, [env.get("PYTHONPATH")])]
    return {
        **env,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        MARK_VARIABLE: MARK,
    }


def children_of(pid: int, *, recursive: bool = False) -> list[int]:
    """The process ids of the living children (or all descendants) of a process, oldest first."""
    try:
        found = psutil.Process(pid).children(recursive=recursive)
    except psutil.NoSuchProcess:
        return []
    return [child.pid for child in found if is_alive(child.pid)]


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def marked_processes() -> list[int]:
    """Everything alive that carries this test process's mark, orphans included."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            is_ours = process.environ().get(MARK_VARIABLE) == MARK
            if is_ours and process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
                found.append(process.pid)
    return found
