"""``shoal up`` keeps a server and a supervisor alive, and ends both in order."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shoal.errors import ExitStatus
from tests.support.api import Client, Ports
from tests.support.processes import ChildProcess, is_alive, shoal
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

MODULE = """
import asyncio
from shoal import Shoal

app = Shoal()

@app.task("double")
async def double(ctx, payload):
    return payload * 2

@app.task("slow")
async def slow(ctx, payload):
    await asyncio.sleep(payload)
    return "done"
"""


@pytest.fixture
def up(tmp_path: Path, ports: Ports) -> Iterator[ChildProcess]:
    """``shoal up`` with one shard, ready."""
    (tmp_path / "tasks.py").write_text(MODULE)
    with shoal("up", "-n", "1", "tasks:app", env=ports.env, cwd=tmp_path) as child:
        child.wait_for_output("shard 0 is ready")
        child.wait_for_output("The API is up")
        yield child
        if child.returncode is None:
            child.terminate()
            child.wait()


def url_of(folder: Path) -> str:
    """Where the embedded server is, as ``shoal up`` tells others."""
    return (folder / ".shoal" / "redis.url").read_text()


def submit(folder: Path, *arguments: str) -> str:
    """What ``shoal submit`` prints."""
    command = ["submit", *arguments]
    with shoal(*command, env={"REDIS_URL": url_of(folder)}, cwd=folder) as child:
        assert child.wait() == ExitStatus.OK, child.stderr
        return child.stdout.strip()


def process_of(up: ChildProcess, what: str) -> int:
    """The process id of the server, the supervisor or the API."""
    words = {"server": "valkey", "supervisor": "superv", "api": "shoal api"}
    for pid in up.children():
        if words[what] in psutil.Process(pid).name():
            return pid
    raise AssertionError(f"there is no {what}")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_works_and_ends_with_nothing_left(
    up: ChildProcess, tmp_path: Path, how: signal.Signals
) -> None:
    """A task is done; the URL is for its owner only; Ctrl-C ends all of it with status 0."""
    assert submit(tmp_path, "double", "21", "--wait") == "42"
    url_file = tmp_path / ".shoal" / "redis.url"
    assert stat.S_IMODE(url_file.stat().st_mode) == 0o600
    family = up.children(recursive=True)
    assert len(family) >= 3
    up.send(how)
    assert up.wait() == ExitStatus.OK
    assert not any(map(is_alive, family))
    assert not url_file.exists()


def test_ctrl_c_to_the_whole_group_is_one_wish(
    up: ChildProcess, ports: Ports, tmp_path: Path
) -> None:
    """As a terminal sends it: what runs is finished, not handed back."""
    task_id = submit(tmp_path, "slow", "1")
    wait_until(lambda: "RUNNING" in shown(tmp_path, task_id), "it runs")
    os.killpg(up.pid, signal.SIGINT)
    assert up.wait() == ExitStatus.OK
    with shoal("up", "-n", "1", "tasks:app", env=ports.env, cwd=tmp_path) as again:
        again.wait_for_output("shard 0 is ready")
        lines = [line.split() for line in shown(tmp_path, task_id).splitlines()]
        assert ["state", "COMPLETED"] in lines
        assert ["attempts", "1"] in lines
        again.terminate()
        assert again.wait() == ExitStatus.OK


def shown(folder: Path, task_id: str) -> str:
    """What ``shoal task`` prints."""
    with shoal("task", task_id, env={"REDIS_URL": url_of(folder)}, cwd=folder) as child:
        child.wait()
        return child.stdout


def test_a_server_that_dies_is_started_again(up: ChildProcess, tmp_path: Path) -> None:
    """With its data: what was accepted is done after the crash."""
    first = submit(tmp_path, "double", "1", "-d", "2s")
    os.kill(process_of(up, "server"), signal.SIGKILL)
    up.wait_for_output("The embedded Valkey server ended and is started again")
    wait_until(lambda: "COMPLETED" in shown(tmp_path, first), "it is done", 20)
    up.terminate()
    assert up.wait() == ExitStatus.OK


def test_a_supervisor_that_is_killed_is_started_again(up: ChildProcess, tmp_path: Path) -> None:
    """Its shards end, and new ones do the work."""
    os.kill(process_of(up, "supervisor"), signal.SIGKILL)
    up.wait_for_output("The supervisor was ended by SIGKILL and is started again")
    wait_until(lambda: up.stderr.count("shard 0 is ready") == 2, "the new shard is ready", 30)
    assert submit(tmp_path, "double", "4", "--wait") == "8"
    up.terminate()
    assert up.wait() == ExitStatus.OK


def test_a_second_one_in_the_same_folder_is_refused(
    up: ChildProcess, ports: Ports, tmp_path: Path
) -> None:
    """Its data belong to one."""
    with shoal("up", "-n", "1", "tasks:app", env=ports.env, cwd=tmp_path) as second:
        assert second.wait() not in (ExitStatus.OK, None)
        assert str(tmp_path / ".shoal") in second.stderr
        assert "Traceback" not in second.stderr


def test_nothing_outlives_it(up: ChildProcess, tmp_path: Path) -> None:
    """Killed without a chance to tidy up, it takes its family with it."""
    family = up.children(recursive=True)
    up.kill()
    wait_until(lambda: not any(map(is_alive, family)), "all are gone", 30)


def test_a_bad_module_ends_it_with_the_status_of_the_worker(ports: Ports, tmp_path: Path) -> None:
    """And the server ends too."""
    with shoal("up", "-n", "1", "none:app", env=ports.env, cwd=tmp_path) as child:
        assert child.wait() == ExitStatus.MODULE_NOT_FOUND
        assert "there is no module 'none'" in child.stderr
        assert "Traceback" not in child.stderr


def test_more_shards_can_be_asked_for(up: ChildProcess, tmp_path: Path) -> None:
    """SIGTTIN and its like are passed on to the supervisor."""
    up.send(signal.SIGTTIN)
    up.wait_for_output("shard 1 is ready")


def test_a_server_that_dies_again_and_again_is_given_up(up: ChildProcess, tmp_path: Path) -> None:
    """After five deaths within a minute it ends, with the status for it and one line."""
    seen: set[int] = set()

    def kill_the_next() -> bool:
        if up.returncode is not None:
            return True
        for pid in up.children():
            if pid not in seen and "valkey" in psutil.Process(pid).name():
                seen.add(pid)
                os.kill(pid, signal.SIGKILL)
        return False

    wait_until(kill_the_next, "it gives up", 40)
    assert up.returncode == ExitStatus.REDIS_UNREACHABLE
    assert "the embedded Valkey server died 6 times within 60 s" in up.stderr
    assert "Traceback" not in up.stderr


def test_with_a_redis_of_its_own_no_server_is_started(
    valkey: RedisServer, ports: Ports, tmp_path: Path
) -> None:
    """REDIS_URL says where; only the API's key is kept in the data directory."""
    (tmp_path / "tasks.py").write_text(MODULE)
    env = {"REDIS_URL": valkey.url, **ports.env}
    with shoal("up", "-n", "1", "tasks:app", env=env, cwd=tmp_path) as child:
        child.wait_for_output("shard 0 is ready")
        child.wait_for_output("The API is up")
        made = sorted(file.name for file in (tmp_path / ".shoal").iterdir())
        assert made == ["api.key", "jwt.secret"]
        assert (tmp_path / ".shoal" / "jwt.secret").stat().st_mode & 0o077 == 0
        with shoal("token", "--role", "submitter", cwd=tmp_path) as asked:
            assert asked.wait() == ExitStatus.OK
            holder = Client(ports, asked.stdout.strip())
        assert holder.get("/api/v1/session").json["role"] == "submitter"
        child.terminate()
        assert child.wait() == ExitStatus.OK


def test_its_api_works_with_the_key_that_it_made(
    up: ChildProcess, ports: Ports, tmp_path: Path
) -> None:
    """The key is shown, kept for its owner only, and the same at the next start; types are known."""
    key_file = tmp_path / ".shoal" / "api.key"
    key = key_file.read_text().strip()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert len(key) >= 32
    assert key in up.stderr
    client = Client(ports, key)
    task = client.get(f"/api/v1/tasks/{client.submit('double', 21)}?wait=20s").json
    assert (task["state"], task["result"]) == ("COMPLETED", 42)
    assert client.post({"type": "unknown", "payload": 1}).code == "unknown_type"
    [worker] = client.get("/admin/workers").json["workers"]
    assert worker["id"].endswith("-0")
    assert Client(ports, "changeme").get("/api/v1/tasks").status == 401
    up.terminate()
    assert up.wait() == ExitStatus.OK
    with shoal("up", "-n", "1", "tasks:app", env=ports.env, cwd=tmp_path) as again:
        again.wait_for_output(key)
        again.terminate()
        assert again.wait() == ExitStatus.OK


def test_an_api_that_dies_is_started_again(up: ChildProcess, ports: Ports, tmp_path: Path) -> None:
    """While the supervisor works on."""
    supervisor = process_of(up, "supervisor")
    os.kill(process_of(up, "api"), signal.SIGKILL)
    up.wait_for_output("The API was ended by SIGKILL and is started again")
    wait_until(lambda: up.stderr.count("The API is up") == 2, "it is up again", 20)
    assert Client(ports).get("/health").json["workers"] == 1
    assert process_of(up, "supervisor") == supervisor


def test_a_port_that_is_taken_ends_it(ports: Ports, tmp_path: Path) -> None:
    """In one line that names the setting, with the status for it, and nothing is left."""
    (tmp_path / "tasks.py").write_text(MODULE)
    with (
        socket.create_server(("127.0.0.1", ports.public)),
        shoal("up", "-n", "1", "tasks:app", env=ports.env, cwd=tmp_path) as child,
    ):
        assert child.wait() == ExitStatus.SYSTEM
        assert f"can't listen on port {ports.public}: it is in use" in child.stderr
        assert "API_PORT" in child.stderr
        assert "Traceback" not in child.stderr
