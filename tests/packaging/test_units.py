"""The systemd units: what they promise systemd is what the programs do."""

import configparser
import os
import signal
import socket
from pathlib import Path

import pytest

from shoal.api.server import DRAIN_S
from shoal.cli.main import cli
from shoal.config import Settings
from shoal.errors import ExitStatus
from tests.packaging.conftest import ROOT
from tests.support.processes import shoal
from tests.support.servers import RedisServer

UNITS = ROOT / "deploy" / "systemd"
MODULE = "from shoal import Shoal\napp = Shoal()\n"


def service(name: str) -> configparser.SectionProxy:
    """The [Service] section of a unit."""
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    assert parser.read(UNITS / f"shoal-{name}.service")
    assert parser["Install"]["WantedBy"] == "multi-user.target"
    return parser["Service"]


@pytest.mark.parametrize("name", ["worker", "api"])
def test_a_stop_leaves_time_to_finish(name: str) -> None:
    """Only the main process is told; systemd kills later than Shoal would be done by itself."""
    unit = service(name)
    needed_s = Settings().worker.shutdown_timeout_s if name == "worker" else DRAIN_S
    assert float(unit["TimeoutStopSec"]) >= needed_s + 5
    assert unit["KillMode"] == "mixed"
    assert unit["Restart"] == "on-failure"


@pytest.mark.parametrize("name", ["worker", "api"])
def test_a_start_that_no_repetition_mends_is_not_repeated(name: str) -> None:
    """A wrong setting, a missing module, Redis that may evict."""
    statuses = {int(word) for word in service(name)["RestartPreventExitStatus"].split()}
    assert statuses == {
        ExitStatus.CONFIGURATION,
        ExitStatus.MODULE_NOT_FOUND,
        ExitStatus.EVICTION_POLICY,
    }


@pytest.mark.parametrize("name", ["worker", "api"])
def test_it_starts_a_command_that_there_is(name: str) -> None:
    """With its settings from a file that only root need read, and the application's folder."""
    unit = service(name)
    program, command, app = unit["ExecStart"].split()
    assert Path(program).name == "shoal"
    assert command == name
    assert command in cli.list_commands(cli.make_context("shoal", ["worker", "a:b"]))
    assert app == "${SHOAL_APP}"
    assert unit["EnvironmentFile"] == f"/etc/shoal/{name}.env"
    assert unit["NoNewPrivileges"] == "yes"
    assert unit["ProtectSystem"] == "strict"
    assert unit["CapabilityBoundingSet"] == ""


def test_the_worker_tells_systemd_what_its_unit_says(valkey: RedisServer, tmp_path: Path) -> None:
    """Type=notify: READY=1 when it can claim, WATCHDOG=1 while it does, STOPPING=1 at the end."""
    assert service("worker")["Type"] == "notify"
    assert service("worker")["NotifyAccess"] == "main"
    (tmp_path / "tasks.py").write_text(MODULE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        env = {
            "REDIS_URL": valkey.url,
            "SHOAL_SHARDS": "1",
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "1000000",
        }
        with shoal("worker", "tasks:app", env=env, cwd=tmp_path) as worker:
            said = ""
            for wanted in ("READY=1", "WATCHDOG=1"):
                while wanted not in said.splitlines():
                    said += systemd.recv(4096).decode() + "\n"
            worker.send(signal.SIGTERM)
            while "STOPPING=1" not in said.splitlines():
                said += systemd.recv(4096).decode() + "\n"
            assert worker.wait() == ExitStatus.OK, worker.stderr
    assert "NOTIFY_SOCKET" not in os.environ


def test_the_api_claims_no_more_than_it_does() -> None:
    """It says nothing to systemd, so its unit must not wait for a word."""
    assert service("api")["Type"] == "exec"
