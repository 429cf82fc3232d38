"""What the commands print and how they end, beside a real server and real workers."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal.errors import ExitStatus
from tests.support.processes import ROOT, ChildProcess, clean_environment, shoal
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

MODULE = """
from shoal import NonRetryable, Shoal

app = Shoal()

@app.task("double")
async def double(ctx, payload):
    return payload * 2

@app.task("fail")
def fail(ctx, payload):
    raise NonRetryable("no such customer")
"""


class Done:
    """A command that has ended."""

    def __init__(self, url: str, *arguments: str, stdin: str = "", cwd: Path = ROOT) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "shoal", *arguments],
            env={**clean_environment(), "REDIS_URL": url, "LOG_LEVEL": "warning"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            cwd=cwd,
            check=False,
        )
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self) -> Any:
        """What it printed."""
        assert self.status == ExitStatus.OK, self.err
        return json.loads(self.out)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the module above as tasks.py."""
    (tmp_path / "tasks.py").write_text(MODULE)
    return tmp_path


@pytest.fixture
def worker(valkey: RedisServer, folder: Path) -> Iterator[ChildProcess]:
    """A worker host with one shard."""
    env = {"REDIS_URL": valkey.url, "WORKER_ID": "web1", "LOG_LEVEL": "info"}
    with shoal("worker", "-n", "1", "-c", "5", "tasks:app", env=env, cwd=folder) as child:
        child.wait_for_output("is ready")
        yield child
        child.terminate()
        assert child.wait() == ExitStatus.OK


def test_submit_wait_task_and_workers(valkey: RedisServer, worker: ChildProcess) -> None:
    """A task goes its way: submitted, awaited, shown; and its worker is listed."""
    done = Done(valkey.url, "submit", "double", "21", "--wait")
    assert (done.status, done.out, done.err) == (ExitStatus.OK, "42\n", "")

    document = Done(valkey.url, "submit", "double", "-", "-w", "--json", stdin='"ab"').json
    assert (document["state"], document["result"]) == ("COMPLETED", "abab")
    assert document["attempts"] == 1

    shown = Done(valkey.url, "task", document["id"].upper())
    assert ["state", "COMPLETED"] in [line.split() for line in shown.out.splitlines()]
    assert '"abab"' in shown.out
    assert "attempt  worker" in shown.out

    failed = Done(valkey.url, "submit", "fail", "--wait")
    assert failed.status == ExitStatus.TASK_NOT_COMPLETED
    assert "no such customer" in failed.err
    assert len(failed.err.splitlines()) == 1

    [record] = Done(valkey.url, "workers", "--json").json["workers"]
    assert (record["id"], record["concurrency"]) == ("web1-0", 5)
    assert record["state"] in ("IDLE", "BUSY")
    table = Done(valkey.url, "workers").out
    assert "web1-0" in table

    assert Done(valkey.url, "queues", "--json").json["states"]["COMPLETED"] == 2
    assert Done(valkey.url, "verify", "--json").json["ok"] is True


def test_a_second_worker_of_the_name_is_refused(
    valkey: RedisServer, worker: ChildProcess, folder: Path
) -> None:
    """While the first lives, its name is taken; one line says so."""
    env = {"REDIS_URL": valkey.url, "WORKER_ID": "web1", "LOG_LEVEL": "warning"}
    with shoal("worker", "-n", "1", "tasks:app", env=env, cwd=folder) as second:
        assert second.wait() == ExitStatus.WORKER_ID_TAKEN
        assert "WORKER_ID" in second.stderr
        assert "Traceback" not in second.stderr


def test_burst_ends_when_no_work_is_left(valkey: RedisServer, folder: Path) -> None:
    """Everything that was ready is done, and the status is 0."""
    for number in range(3):
        assert Done(valkey.url, "submit", "double", str(number)).status == ExitStatus.OK
    done = Done(valkey.url, "worker", "-n", "2", "--burst", "tasks:app", cwd=folder)
    assert done.status == ExitStatus.OK
    states = Done(valkey.url, "queues", "--json").json["states"]
    assert states == {**dict.fromkeys(states, 0), "COMPLETED": 3}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("none:app", "there is no module 'none'"),
        ("tasks:queue", "tasks has no 'queue', but 'app'"),
        ("broken:app", "importing broken failed: ZeroDivisionError"),
    ],
)
def test_a_bad_module_is_one_line(valkey: RedisServer, folder: Path, spec: str, words: str) -> None:
    """Said by the child that imports it, with the status for it, and no traceback."""
    (folder / "broken.py").write_text("1 / 0\n")
    done = Done(valkey.url, "worker", "-n", "2", spec, cwd=folder)
    assert done.status == ExitStatus.MODULE_NOT_FOUND
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_worker_without_redis_says_so(folder: Path) -> None:
    """One line with the remedy and nothing else, and the status for it; so with every command."""
    for command in (
        ("worker", "-n", "2", "tasks:app"),
        ("up", "-n", "2", "tasks:app"),
        ("submit", "greet", "1"),
        ("queues",),
    ):
        done = Done("redis://127.0.0.1:1", *command, cwd=folder)
        assert done.status == ExitStatus.REDIS_UNREACHABLE
        (line,) = done.err.splitlines()
        assert "can't connect to Redis at 127.0.0.1:1" in line
        assert "Check REDIS_URL" in line


def test_a_worker_that_loses_redis_says_so(redis7: RedisServer, folder: Path) -> None:
    """Once while it is away, and when it is back."""
    with shoal("worker", "-n", "1", "tasks:app", env={"REDIS_URL": redis7.url}, cwd=folder) as host:
        host.wait_for_output("is ready")
        redis7.stop()
        host.wait_for_output("Redis is away")
        redis7.start()
        host.wait_for_output("is back")


@pytest.mark.parametrize("command", [["queues"], ["worker", "-n", "1", "tasks:app"]])
def test_a_server_that_may_evict_is_refused(
    valkey: RedisServer, folder: Path, command: list[str]
) -> None:
    """By clients and workers alike."""
    with valkey.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            done = Done(valkey.url, *command, cwd=folder)
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert done.status == ExitStatus.EVICTION_POLICY
    assert "noeviction" in done.err
    assert "Traceback" not in done.err


def test_partitions_are_paused_and_resumed(valkey: RedisServer) -> None:
    """Paused ones are gone around; verify says that it could not read one; numbers are checked."""
    assert Done(valkey.url, "partition", "pause", "3").status == ExitStatus.OK
    for _ in range(3):
        assert Done(valkey.url, "submit", "t").status == ExitStatus.OK
    verified = Done(valkey.url, "verify")
    assert verified.status == ExitStatus.VERIFY_FAILED
    assert "partition 3 was not read" in verified.out
    assert Done(valkey.url, "partition", "resume", "3").status == ExitStatus.OK
    assert Done(valkey.url, "verify").status == ExitStatus.OK
    assert Done(valkey.url, "partition", "pause", "8").status == ExitStatus.INVALID_TASK


def test_verify_finds_a_planted_fault(valkey: RedisServer) -> None:
    """A task whose hash is gone is named, and the status is 1."""
    task_id = Done(valkey.url, "submit", "t").out.strip()
    with valkey.client(decode=True) as client:
        [key] = client.keys(f"*task:{task_id}")
        client.delete(key)
    done = Done(valkey.url, "verify")
    assert done.status == ExitStatus.VERIFY_FAILED
    assert "entry_without_task" in done.out
    assert Done(valkey.url, "verify", "--dry-run").status == 64
    dry = Done(valkey.url, "verify", "--repair", "--dry-run")
    assert dry.status == ExitStatus.VERIFY_FAILED
    assert "would mend entry_without_task" in dry.out
    mended = Done(valkey.url, "verify", "--repair", "--json")
    assert mended.json["ok"] is True
    assert "entry_without_task" in {finding["code"] for finding in mended.json["mended"]}
    assert Done(valkey.url, "verify").status == ExitStatus.OK


def test_output_into_a_closed_pipe_is_no_error(valkey: RedisServer) -> None:
    """As with `shoal queues --json | head -c 1`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "shoal", "queues", "--json"],
        env={**clean_environment(), "REDIS_URL": valkey.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    wait_until(lambda: process.poll() is not None, "it ends")
    assert process.returncode == ExitStatus.OK


def test_on_a_terminal_tables_are_drawn_and_json_is_indented(valkey: RedisServer) -> None:
    """People get columns with numbers to the right, and JSON they can read."""
    assert Done(valkey.url, "submit", "t").status == ExitStatus.OK
    table = on_terminal(valkey.url, "queues")
    assert "queue" in table
    assert "CRITICAL" in table
    assert "PENDING" in table
    document = on_terminal(valkey.url, "queues", "--json")
    assert '\n  "queues": [\n' in document
    assert json.loads(document)["states"]["PENDING"] == 1


def on_terminal(url: str, *arguments: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "shoal", *arguments],
            env={**clean_environment(), "REDIS_URL": url, "TERM": "dumb", "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
        ) as process:
            os.close(theirs)
            written = b""
            with contextlib.suppress(OSError):  # EIO: the other end is closed
                while part := os.read(ours, 65536):
                    written += part
            assert process.wait(30) == ExitStatus.OK
    finally:
        os.close(ours)
    return written.decode().replace("\r\n", "\n")
