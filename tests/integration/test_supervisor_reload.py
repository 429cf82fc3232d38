"""SIGHUP on a real supervisor over small real shards: what is no good changes nothing."""

from __future__ import annotations

import signal
import urllib.request
from pathlib import Path

import pytest

from shoal.supervisor.run_file import RunState, read_state
from tests.support.ports import reserve_port
from tests.support.supervised import Supervised
from tests.support.waiting import wait_until


def _state(host: Supervised) -> RunState:
    state = read_state(host.directory / "run" / "shoal.test1.supervisor")
    assert state is not None
    return state


def _reload(host: Supervised, outcome: str, reloads: int = 1) -> None:
    host.process.send(signal.SIGHUP)
    wait_until(lambda: _state(host).ended == reloads, f"reload {reloads} has ended")
    assert _state(host).outcome == outcome, host.process.stderr


def test_new_settings_hold_for_new_shards(tmp_path: Path) -> None:
    """A raised concurrency and its page, a removed one; a setting that needs a restart is named and kept."""
    toml = tmp_path / "shoal.toml"
    toml.write_text("worker_concurrency = 2\n")
    with Supervised(tmp_path, "work", shards=2) as host:
        host.wait_for("ready", 2)
        toml.write_text('worker_concurrency = 50\nshoal_namespace = "other"\n')
        _reload(host, "done")
        toml.write_text("")
        _reload(host, "done", 2)
        starts = host.events("start")
        assert [event["concurrency"] for event in starts] == [2, 2, 50, 50, 10, 10]
        assert [event["slots"] for event in starts] == [2, 2, 50, 50, 10, 10]
        assert "only a restart changes SHOAL_NAMESPACE" in host.process.stderr
        assert not host.events("release")


def test_a_concurrency_beyond_the_room_of_the_pages_needs_a_restart(tmp_path: Path) -> None:
    """It is said, and the old one holds."""
    with Supervised(tmp_path, "work", shards=1) as host:
        host.wait_for("ready", 1)
        (tmp_path / "shoal.toml").write_text("worker_concurrency = 10000\n")
        _reload(host, "done")
        assert host.events("start")[-1]["concurrency"] == 10
        assert "only a restart changes WORKER_CONCURRENCY (above 256)" in host.process.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('worker_concurrency = "many"\n', "WORKER_CONCURRENCY in"),
        ("worker_concurrency\n", "is no TOML"),
        ("worker_concurency = 3\n", "did you mean WORKER_CONCURRENCY"),
    ],
)
def test_bad_settings_keep_the_old_ones(tmp_path: Path, text: str, said: str) -> None:
    """One line says what is wrong; the shards stay, and the next reload is tried anew."""
    with Supervised(tmp_path, "work", shards=2) as host:
        host.wait_for("ready", 2)
        before = host.living()
        (tmp_path / "shoal.toml").write_text(text)
        _reload(host, "refused")
        (line,) = [x for x in host.process.stderr.splitlines() if "reload refused" in x]
        assert said in line
        assert host.living() == before
        assert not host.events("trial")
        (tmp_path / "shoal.toml").write_text("worker_concurrency = 3\n")
        _reload(host, "done", 2)
        assert host.events("start")[-1]["concurrency"] == 3


def test_code_that_cannot_be_imported_costs_no_shard(tmp_path: Path) -> None:
    """The trial finds it: even the only shard works on."""
    with Supervised(tmp_path, "work", shards=1) as host:
        host.wait_for("ready", 1)
        before = host.living()
        (tmp_path / "trial").write_text("importing some_app failed: SyntaxError")
        _reload(host, "refused")
        assert "importing some_app failed: SyntaxError" in _state(host).message
        assert host.living() == before
        (tmp_path / "trial").unlink()
        _reload(host, "done", 2)
        assert host.living() != before


def test_a_shard_that_cannot_start_stops_the_reload(tmp_path: Path) -> None:
    """What the trial could not find out costs one shard, and the file says that it was stopped."""
    with Supervised(tmp_path, "work:1", shards=3) as host:
        old = {event["pid"] for event in host.wait_for("ready", 3)}
        host.behave("fail:66:no such queue")
        _reload(host, "stopped")
        assert len(old & set(host.living())) == 2
        host.behave("work:1")
        host.wait_for("ready", 4)


def test_signals_that_come_during_a_reload_are_one_more(tmp_path: Path) -> None:
    """Asked again while it reloads, it begins anew; in the end every shard is newer than the last signal."""
    with Supervised(tmp_path, "work", shards=3) as host:
        host.wait_for("ready", 3)
        host.process.send(signal.SIGHUP)
        host.wait_for("ready", 4)
        host.process.send(signal.SIGHUP)
        begun = {event["pid"] for event in host.events("start")}
        wait_until(lambda: _state(host).asked == 2 == _state(host).ended, "both have ended")
        assert _state(host).outcome == "done"
        wait_until(lambda: len(host.living()) == 3, "three shards live")
        assert len(begun & set(host.living())) <= 1
        assert not host.events("release")


def test_a_supervisor_that_ends_in_a_reload_ends(tmp_path: Path) -> None:
    """SIGTERM in the middle: all drain, nothing is left."""
    with Supervised(tmp_path, "work", shards=3) as host:
        host.wait_for("ready", 3)
        host.process.send(signal.SIGHUP)
        host.wait_for("trial", 1)
        host.process.terminate()
        assert host.process.wait() == 0
        assert not host.living()
        assert not (tmp_path / "run" / "shoal.test1.supervisor").exists()


def test_reloads_are_counted(tmp_path: Path) -> None:
    """``shoal_config_reloads_total`` says how many ended how, also in an exporter that was there before."""
    with reserve_port() as port:
        env = {"SHOAL_METRICS_PORT": str(port.port)}
        with Supervised(tmp_path, "work", shards=1, env=env) as host:
            host.wait_for("ready", 1)
            _reload(host, "done")
            (tmp_path / "shoal.toml").write_text("worker_concurrency = 0\n")
            _reload(host, "refused", 2)
            (tmp_path / "shoal.toml").write_text("worker_concurrency = 30\n")
            _reload(host, "done", 3)
            wanted = (
                'shoal_config_reloads_total{outcome="done"} 2.0',
                'shoal_config_reloads_total{outcome="refused"} 1.0',
                'shoal_config_reloads_total{outcome="stopped"} 0.0',
                'shoal_worker_concurrency{shard="0"} 30.0',
            )

            def page() -> str:
                with urllib.request.urlopen(f"http://127.0.0.1:{port.port}/metrics") as answer:
                    return str(answer.read().decode())

            wait_until(lambda: all(line in page() for line in wanted), "all is counted")
