"""The exporter of a real supervisor: metrics over restarts, health by what shards can do."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shoal.errors import ExitStatus
from tests.support.ports import PortReservation, reserve_port
from tests.support.processes import is_alive
from tests.support.supervised import Supervised
from tests.support.waiting import wait_until


@pytest.fixture
def port() -> Iterator[PortReservation]:
    """A port for the exporter."""
    with reserve_port() as reservation:
        yield reservation


def _get(port: PortReservation, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def _value(port: PortReservation, name: str) -> dict[str, float]:
    """Samples of a metric by the value of their label ``shard``; without one, by the empty text."""
    _, text = _get(port, "/metrics")
    samples: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                key = sample.labels.get("shard", "")
                samples[key] = samples.get(key, 0.0) + sample.value
    return samples


def _env(port: PortReservation) -> dict[str, str]:
    return {"SHOAL_METRICS_PORT": str(port.port)}


def test_sixty_restarts_leave_no_files_and_lose_no_counts(
    tmp_path: Path, port: PortReservation
) -> None:
    """Sixty lives in two slots: no file more than after the first two, and every life counted."""
    policy = {"deaths_per_shard": 1000}
    with Supervised(tmp_path, "work:1", shards=2, env=_env(port), policy=policy) as host:
        host.wait_for("ready", 2)
        (directory,) = (tmp_path / "tmp").glob("shoal-metrics-*")
        files = sorted(path.name for path in directory.iterdir())
        for life in range(60):
            newest = host.wait_for("ready", life + 2)[-1]
            os.kill(newest["pid"], signal.SIGKILL)
        host.wait_for("ready", 62)
        assert sorted(path.name for path in directory.iterdir()) == files
        wait_until(
            lambda: _value(port, "shoal_tasks_completed_total") == {"": 62.0}, "62 lives counted"
        )
        restarts = _value(port, "shoal_shard_restarts_total")
        assert sum(restarts.values()) == 60.0
        host.process.terminate()
        assert host.process.wait() == ExitStatus.OK
        assert not directory.exists()


def test_ready_means_that_a_shard_can_claim(tmp_path: Path, port: PortReservation) -> None:
    """/readyz is 503 three seconds after the last shard heard the broker; /livez stays 200."""
    env = {**_env(port), "SHOAL_LEASE": "60s"}
    with Supervised(tmp_path, "work", shards=1, env=env) as host:
        host.wait_for("ready", 1)
        wait_until(lambda: _get(port, "/readyz")[0] == 200, "ready")
        assert _get(port, "/readyz")[1] == "ok: 1 shards are able to claim\n"
        assert _value(port, "shoal_shard_up") == {"0": 1.0}
        (pid,) = host.living()
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: _get(port, "/readyz")[0] == 503, "not ready", 5.0)
        assert _get(port, "/livez")[0] == 200
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: _get(port, "/readyz")[0] == 200, "ready again", 5.0)


def test_other_paths_are_not_found_and_head_has_no_body(
    tmp_path: Path, port: PortReservation
) -> None:
    """Anything else is 404; HEAD answers like GET, without the body."""
    with Supervised(tmp_path, "work", shards=1, env=_env(port)) as host:
        host.wait_for("ready", 1)
        wait_until(lambda: _get(port, "/livez")[0] == 200, "the exporter listens")
        assert _get(port, "/")[0] == 404
        assert _get(port, "/metrics/../etc/passwd")[0] == 404
        request = urllib.request.Request(f"http://127.0.0.1:{port.port}/livez", method="HEAD")
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - http, above
            assert (answer.status, answer.read()) == (200, b"")


def test_a_killed_exporter_comes_back_and_a_killed_supervisor_takes_it_along(
    tmp_path: Path, port: PortReservation
) -> None:
    """The exporter is restarted like a shard, and never outlives its supervisor."""
    with Supervised(tmp_path, "work", shards=1, env=_env(port)) as host:
        host.wait_for("ready", 1)
        wait_until(lambda: _get(port, "/livez")[0] == 200, "the exporter listens")
        (exporter,) = set(host.process.children()) - set(host.living())
        os.kill(exporter, signal.SIGKILL)
        wait_until(lambda: not is_alive(exporter), "the exporter is gone")
        wait_until(lambda: _get(port, "/livez")[0] == 200, "another one listens", 15.0)
        children = host.process.children()
        assert len(children) == 2
        host.process.kill()
        wait_until(lambda: not any(map(is_alive, children)), "all children are gone", 2.0)


def test_a_port_in_use_is_one_line(tmp_path: Path, port: PortReservation) -> None:
    """An exporter that can't listen ends the start with one line that names the setting."""
    with socket.socket() as taken:
        taken.bind(("", port.port))
        taken.listen()
        # A shard that is never ready, so that the exporter is always the first to speak.
        with Supervised(tmp_path, "slow", shards=1, env=_env(port)) as host:
            assert host.process.wait() == ExitStatus.SYSTEM
            assert host.process.stderr == (
                f"shoal: can't serve metrics on port {port.port}: it is in use; "
                "choose another SHOAL_METRICS_PORT\n"
            )


def test_a_new_supervisor_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """The metrics of a killed supervisor are removed by the next, those of a living one are not."""
    with reserve_port() as first_port, reserve_port() as second_port, reserve_port() as third_port:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        (tmp_path / "c").mkdir()
        shared = {"TMPDIR": str(tmp_path)}

        def directories() -> set[Path]:
            return set(tmp_path.glob("shoal-metrics-*"))

        with Supervised(tmp_path / "a", shards=1, env={**_env(first_port), **shared}) as living:
            living.wait_for("ready", 1)
            kept = directories()
            with Supervised(tmp_path / "b", shards=1, env={**_env(second_port), **shared}) as dead:
                dead.wait_for("ready", 1)
                children = dead.process.children()
                dead.process.kill()
                wait_until(lambda: not any(map(is_alive, children)), "its children are gone")
            assert len(directories()) == 2
            with Supervised(tmp_path / "c", shards=1, env={**_env(third_port), **shared}) as new:
                new.wait_for("ready", 1)
                assert kept < directories()
                assert len(directories()) == 2
