"""The demonstration brings everything up, shows real results, and ends cleanly."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.host import free_port
from shoal.errors import ExitStatus
from tests.support.api import Ports
from tests.support.ports import reserve_port
from tests.support.processes import is_alive, python, shoal
from tests.support.waiting import wait_until

COMPLETED = (
    "mail to ada@example.com",
    "mail to grace@example.com",
    "mail to kurt@greylisted.example",
    "thumbnails of astronaut.png",
    "thumbnails of chelsea.png",
    "thumbnails of coffee.png",
    "thumbnails of rocket.jpg",
    "export of characters",
    "export of html_entities",
    "export of media_types",
)


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A folder and ports of its own, and one shard."""
    with Ports() as ports:
        yield {
            "SHOAL_DEMO_FOLDER": str(tmp_path / "demo"),
            "SHOAL_SHARDS": "1",
            "HOME": str(tmp_path),
            **ports.env,
        }


def said_by(line: str) -> dict[str, object]:
    """What a printed command answers, run by a shell as it stands."""
    run = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, timeout=30)
    document: dict[str, object] = json.loads(run.stdout)
    return document


@pytest.mark.timeout(120)
def test_real_work_is_done_and_ctrl_c_ends_it(tmp_path: Path, env: dict[str, str]) -> None:
    """Mail, thumbnails, exports, all over HTTP; the curl lines work as printed; nothing is left."""
    folder = tmp_path / "demo"
    with python("-m", "examples.demo", env=env) as demo:
        demo.wait_for_output("Everything stays up until Ctrl-C", 60)
        lines = [line.strip() for line in demo.stdout.splitlines()]
        for title in COMPLETED:
            [line] = [line for line in lines if f" {title} " in line]
            assert line.startswith("COMPLETED")
        [refused] = [line for line in lines if "nobody@unknown.example" in line]
        assert refused.startswith("DEAD")
        assert "no such mailbox" in refused
        [greylisted] = [line for line in lines if "kurt@" in line]
        assert greylisted.endswith("at attempt 2")

        key = (tmp_path / "api.key").read_text().strip()
        [door] = [line for line in lines if line.startswith("The API is at ")]
        assert f":{env['API_PORT']}," in door
        assert door.endswith(key)
        submit, read, page, queues, health = (line for line in lines if line.startswith("curl "))
        task_id = said_by(submit)["task_id"]
        assert said_by(read)["state"] == "COMPLETED"
        shown = read.partition("/tasks/")[2].partition("?")[0]
        assert said_by(read.replace(shown, str(task_id)))["state"] == "COMPLETED"
        assert said_by(page)["total"] == len(COMPLETED) + 1
        assert said_by(queues)["queues"]
        assert said_by(health) == {"status": "healthy", "redis": "connected", "workers": 1}

        url = (tmp_path / "redis.url").read_text()
        with shoal("verify", env={"REDIS_URL": url}) as verify:
            assert verify.wait() == 0, verify.stdout

        family = demo.children(recursive=True)
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait() == 0, demo.stderr
        assert demo.stdout.rstrip().endswith("Stopped.")
        assert demo.stderr.count("\n") <= 2, demo.stderr
        assert not any(map(is_alive, family))
    assert len(list((folder / "mail" / "new").iterdir())) == 4
    assert len(list((folder / "thumbnails").glob("*.jpg"))) == 8
    assert {p.name for p in folder.glob("*.csv")} == {
        p.stem + ".csv" for p in folder.glob("*.json")
    }


def test_killed_at_once_it_leaves_nothing(env: dict[str, str]) -> None:
    """Everything it started ends with it."""
    with python("-m", "examples.demo", env=env) as demo:
        demo.wait_for_output("Submitting", 60)
        family = demo.children(recursive=True)
        demo.kill()
        wait_until(lambda: not any(map(is_alive, family)), "all are gone", 40)


def test_ctrl_c_while_it_starts_is_clean_too(env: dict[str, str]) -> None:
    """Nobody has to wait until it is up."""
    with python("-m", "examples.demo", env=env) as demo:
        demo.wait_for_output("Starting", 60)
        demo.send(signal.SIGINT)
        assert demo.wait(60) == 0, demo.stderr
        assert "Traceback" not in demo.stderr


def test_a_chosen_port_that_is_taken_is_one_clear_line(env: dict[str, str]) -> None:
    """Whoever names a port wants that one: the line says which setting it is, and all ends."""
    with (
        socket.create_server(("127.0.0.1", int(env["API_PORT"]))),
        python("-m", "examples.demo", env=env) as demo,
    ):
        assert demo.wait(60) == ExitStatus.SYSTEM
        assert f"can't listen on port {env['API_PORT']}: it is in use" in demo.stderr
        assert "API_PORT" in demo.stderr
        assert "Traceback" not in demo.stderr


def test_the_next_free_port_is_taken() -> None:
    """What is in use, or given away already, is passed over."""
    with reserve_port() as held, socket.create_server(("127.0.0.1", held.port)):
        found = free_port("127.0.0.1", held.port, {held.port + 1})
        assert found > held.port + 1
        socket.create_server(("127.0.0.1", found)).close()
