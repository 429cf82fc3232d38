"""What the commands owe a container whose first process they are."""

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from shoal.cli.main import main
from shoal.errors import ExitStatus
from tests.support.api import KEY, Ports
from tests.support.container import as_process_1, process_1, stop
from tests.support.processes import ChildProcess, shoal
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

MODULE = """
import subprocess
import sys
from shoal import Shoal

app = Shoal()

@app.task("orphan")
async def orphan(ctx, payload):
    # Its parent ends at once; whoever is process 1 inherits the child, which ends soon.
    sleeper = "import subprocess; subprocess.Popen(['sleep', '0.3'])"
    subprocess.run([sys.executable, "-c", sleeper], check=True)
    return "left behind"
"""


@pytest.fixture
def env(proven: RedisServer, ports: Ports, tmp_path: Path) -> dict[str, str]:
    """Settings of a container."""
    (tmp_path / "tasks.py").write_text(MODULE)
    return {
        "REDIS_URL": proven.url,
        "API_KEY": KEY,
        "SHOAL_SHARDS": "1",
        "WORKER_SHUTDOWN_TIMEOUT": "10s",
        **ports.env,
    }


def container(*arguments: str, env: dict[str, str], cwd: Path) -> ChildProcess:
    """``shoal`` as the entrypoint."""
    return as_process_1(shoal(*arguments, env=env, cwd=cwd))


def family(process: psutil.Process) -> list[tuple[str, str]]:
    """Name and status of all below it; one that goes while we look is not among them."""
    found: list[tuple[str, str]] = []
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append((child.name(), child.status()))
    return found


def zombies(child: ChildProcess) -> list[str]:
    """What ended in there and nobody buried."""
    below = family(psutil.Process(child.pid))
    return [name for name, status in below if status == psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(
    ("arguments", "ready"),
    [
        (("worker", "tasks:app"), "shard 0 is ready"),
        (("up", "tasks:app"), "shard 0 is ready"),
        (("api", "tasks:app"), "the API listens"),
        (("api", "-p", "2", "tasks:app"), "the API listens"),
    ],
)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_it_in_order(
    env: dict[str, str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    ready: str,
    how: signal.Signals,
) -> None:
    """Exit status 0, long before WORKER_SHUTDOWN_TIMEOUT, and no process is left."""
    with container(*arguments, env=env, cwd=tmp_path) as child:
        child.wait_for_output(ready)
        below = psutil.Process(child.pid).children(recursive=True)
        began_s = time.monotonic()
        stop(child, how)
        assert child.wait(10) == ExitStatus.OK, child.stderr
        assert time.monotonic() - began_s < 8.0
        assert not any(process.is_running() for process in below)
        assert "Traceback" not in child.stderr


@pytest.mark.parametrize("command", ["worker", "up"])
def test_it_buries_what_handlers_leave_behind(
    env: dict[str, str], tmp_path: Path, command: str
) -> None:
    """An orphan is inherited by process 1, and no zombie stays."""
    with container(command, "tasks:app", env=env, cwd=tmp_path) as child:
        child.wait_for_output("shard 0 is ready")
        with shoal("submit", "orphan", "--wait", env=env) as submit:
            assert submit.wait() == ExitStatus.OK, submit.stderr
        first = process_1(child)
        wait_until(lambda: ("sleep", "sleeping") not in family(first), "the orphan has ended")
        wait_until(lambda: not zombies(child), "it is buried")
        stop(child)
        assert child.wait(10) == ExitStatus.OK, child.stderr


def test_a_start_that_fails_says_so_with_its_status(env: dict[str, str], tmp_path: Path) -> None:
    """The container's exit status is the documented one."""
    with container("worker", "none:app", env=env, cwd=tmp_path) as child:
        assert child.wait() == ExitStatus.MODULE_NOT_FOUND
    with container("api", env={**env, "API_KEY": ""}, cwd=tmp_path) as child:
        assert child.wait() == ExitStatus.CONFIGURATION
        assert "API_KEY is not set" in child.stderr


def test_a_stop_during_the_start_is_not_lost(tmp_path: Path) -> None:
    """Process 1 gets no signal that it has no handler for; the command has one from the first on."""
    program = (
        "import os, signal\n"
        "os.getpid = lambda: 1\n"
        "from shoal.cli import main\n"
        "main.cli.make_context = lambda *a: signal.raise_signal(signal.SIGTERM)\n"
        "main.main(['worker', 'a:b'])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], check=False, cwd=tmp_path)
    assert run.returncode == 128 + signal.SIGTERM
    before = signal.getsignal(signal.SIGTERM)
    assert main(["--help"]) == ExitStatus.OK
    assert signal.getsignal(signal.SIGTERM) == before
