"""What the exporter answers, and from what."""

from __future__ import annotations

import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from shoal.broker.results import Blame
from shoal.page import PageState
from shoal.supervisor.board import Board
from shoal.supervisor.collectors import HostCollector, PageCollector
from shoal.supervisor.exporter import Exporter, _Server
from shoal.supervisor.hand_back import HandBack
from shoal.supervisor.launcher import Helper
from shoal.supervisor.slot import Ending, Report


@pytest.fixture
def board() -> Board:
    """Two shards: one works on 3 of 4 slots, one is dead and left its numbers behind."""
    board = Board(4, 4)
    for index in range(2):
        page = board.page(index)
        page.begin(restarts=index)
        page.state = PageState.READY
        page.running = 3
        page.contact()
    board.page(0).set_pid(os.getpid())
    return board


def test_gauges_come_from_the_pages(board: Board) -> None:
    """Each shard's life, readiness, load and restarts; a dead one runs nothing."""
    values = {
        (sample.name, sample.labels["shard"]): sample.value
        for family in PageCollector(board).collect()
        for sample in family.samples
    }
    assert values == {
        ("shoal_shard_up", "0"): 1,
        ("shoal_shard_up", "1"): 0,
        ("shoal_shard_ready", "0"): 1,
        ("shoal_shard_ready", "1"): 0,
        ("shoal_worker_running_tasks", "0"): 3,
        ("shoal_worker_running_tasks", "1"): 0,
        ("shoal_worker_concurrency", "0"): 4,
        ("shoal_worker_concurrency", "1"): 4,
        ("shoal_worker_utilization_ratio", "0"): 0.75,
        ("shoal_worker_utilization_ratio", "1"): 0.0,
        ("shoal_shard_restarts_total", "0"): 0,
        ("shoal_shard_restarts_total", "1"): 1,
    }


def test_the_host_counts_ends_reloads_and_what_was_handed_back(board: Board) -> None:
    """How shards ended, what came of reloads, and that the last one was refused."""

    def values() -> dict[tuple[str, ...], float]:
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in HostCollector(board).collect()
            for sample in family.samples
        }

    before = values()
    assert before["shoal_config_last_reload_successful",] == 1
    for how in ("clean", "killed", "killed"):
        board.exited(how)
    board.reloaded("done")
    board.reloaded("refused")
    board.released(7)
    after = values()
    began_s = after.pop(("shoal_config_last_reload_success_timestamp_seconds",))
    assert began_s >= before["shoal_config_last_reload_success_timestamp_seconds",]
    assert after == {
        ("shoal_config_reloads_total", "done"): 1,
        ("shoal_config_reloads_total", "refused"): 1,
        ("shoal_config_reloads_total", "stopped"): 0,
        ("shoal_config_last_reload_successful",): 0,
        ("shoal_shard_exits_total", "clean"): 1,
        ("shoal_shard_exits_total", "failed"): 0,
        ("shoal_shard_exits_total", "killed"): 2,
        ("shoal_shard_exits_total", "crashed"): 0,
        ("shoal_tasks_released_total",): 7,
    }


def test_health_and_unknown_paths(board: Board, tmp_path: Path) -> None:
    """Live while it answers, ready while a shard can claim, 404 for anything else."""
    exporter = Exporter(board, tmp_path)
    assert exporter.answer("/livez")[0] is HTTPStatus.OK
    assert exporter.answer("/readyz?verbose=1")[0] is HTTPStatus.OK
    assert exporter.answer("/nothing")[0] is HTTPStatus.NOT_FOUND
    board.page(0).state = PageState.DRAINING
    assert exporter.answer("/readyz")[0] is HTTPStatus.SERVICE_UNAVAILABLE


def test_scrapes_close_together_share_one_answer(board: Board) -> None:
    """Adding up many shards takes a while: a second scrape at once gets the first one's bytes."""
    exporter = Exporter(board, None)
    status, content_type, first = exporter.answer("/metrics")
    assert (status, content_type.partition(";")[0]) == (HTTPStatus.OK, "text/plain")
    assert b'shoal_worker_running_tasks{shard="0"} 3.0' in first
    board.page(0).running = 1
    assert exporter.answer("/metrics")[2] is first


@pytest.fixture
def server(board: Board) -> Iterator[_Server]:
    """The HTTP server on a port of the system's choice."""
    server = _Server(0, Exporter(board, None))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_it_answers_over_http(server: _Server, method: str) -> None:
    """GET has the body and HEAD only its length; nothing may be stored on the way."""
    url = f"http://127.0.0.1:{server.server_port}/livez"
    request = urllib.request.Request(url, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        assert answer.read() == (b"ok\n" if method == "GET" else b"")
        assert answer.headers["Content-Length"] == "3"
        assert answer.headers["Cache-Control"] == "no-store"


class TestHandBack:
    """Releasers are forked until one has reported."""

    def _helper(self, text: bytes) -> Helper:
        read_fd, write_fd = os.pipe()
        os.write(write_fd, text)
        os.close(write_fd)
        report = Report(read_fd)
        report.read()
        report.close()
        return Helper(4711, report)

    def test_one_that_fails_is_forked_again_ever_later(self) -> None:
        """A crash, a missing report, or no process to be had: again, after 0.5, 1 and 2 s."""
        helpers: list[Helper | OSError] = [
            self._helper(b""),
            OSError(11, "too many processes"),
            self._helper(b"5 1\n"),
        ]

        def fork(incarnation: str, reason: str, blame: Blame | None) -> Helper:
            assert (incarnation, reason, blame) == ("w-0.aaaaaa", "killed", None)
            helper = helpers.pop(0)
            if isinstance(helper, OSError):
                raise helper
            return helper

        calls: list[str] = []
        hand_back = HandBack(fork, lambda: calls.append("isolated"))
        hand_back.add("w-0.aaaaaa", now_s=10.0)
        (job,) = hand_back.jobs
        assert hand_back.next_due_s() is None
        hand_back.ended(job, Ending(signal.SIGSEGV), now_s=11.0)
        assert hand_back.next_due_s() == 11.5
        hand_back.fork_due(11.4)
        assert len(helpers) == 2
        hand_back.fork_due(11.5)
        assert hand_back.next_due_s() == 12.5
        hand_back.fork_due(12.5)
        assert hand_back.next_due_s() is None
        assert calls == []
        hand_back.ended(job, Ending(0), now_s=13.0)
        assert hand_back.jobs == ()
        assert calls == ["isolated"], "one of the five is for an isolation shard"
