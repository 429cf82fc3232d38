"""The demonstration brings everything up, shows real results, and ends cleanly."""

import os
import signal
from pathlib import Path

import pytest

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


@pytest.mark.timeout(120)
def test_real_work_is_done_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    """Mail over SMTP, thumbnails of photographs, exports of a database; then nothing is left."""
    folder = tmp_path / "demo"
    env = {"SHOAL_DEMO_FOLDER": str(folder), "SHOAL_SHARDS": "1"}
    with python("-m", "examples.demo", env=env) as demo:
        demo.wait_for_output("All results are there", 60)
        lines = [line.strip() for line in demo.stdout.splitlines()]
        for title in COMPLETED:
            [line] = [line for line in lines if f" {title} " in line]
            assert line.startswith("COMPLETED")
        [refused] = [line for line in lines if "nobody@unknown.example" in line]
        assert refused.startswith("DEAD")
        assert "no such mailbox" in refused
        [greylisted] = [line for line in lines if "kurt@" in line]
        assert greylisted.endswith("at attempt 2")

        url = (tmp_path / "redis.url").read_text()
        with shoal("verify", env={"REDIS_URL": url}) as verify:
            assert verify.wait() == 0, verify.stdout

        family = demo.children(recursive=True)
        os.killpg(demo.pid, signal.SIGINT)
        assert demo.wait() == 0, demo.stderr
        assert demo.stdout.rstrip().endswith("Stopped.")
        assert demo.stderr.count("\n") <= 2, demo.stderr
        assert not any(map(is_alive, family))
    assert len(list((folder / "mail" / "new").iterdir())) == 3
    assert len(list((folder / "thumbnails").glob("*.jpg"))) == 8
    assert {p.name for p in folder.glob("*.csv")} == {
        p.stem + ".csv" for p in folder.glob("*.json")
    }


def test_killed_at_once_it_leaves_nothing(tmp_path: Path) -> None:
    """Everything it started ends with it."""
    env = {"SHOAL_DEMO_FOLDER": str(tmp_path / "demo"), "SHOAL_SHARDS": "1"}
    with python("-m", "examples.demo", env=env) as demo:
        demo.wait_for_output("Submitting", 60)
        family = demo.children(recursive=True)
        demo.kill()
        wait_until(lambda: not any(map(is_alive, family)), "all are gone", 40)


def test_ctrl_c_while_it_starts_is_clean_too(tmp_path: Path) -> None:
    """Nobody has to wait until it is up."""
    env = {"SHOAL_DEMO_FOLDER": str(tmp_path / "demo"), "SHOAL_SHARDS": "1"}
    with python("-m", "examples.demo", env=env) as demo:
        demo.wait_for_output("Starting", 60)
        demo.send(signal.SIGINT)
        assert demo.wait(60) == 0, demo.stderr
        assert "Traceback" not in demo.stderr
