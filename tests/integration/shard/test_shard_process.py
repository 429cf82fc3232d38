"""A shard's process: how it starts, drains, hands back and ends."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator

import pytest

from shoal import Shoal, State
from shoal.errors import ExitStatus
from shoal.lifecycle import EXIT_RECYCLED
from tests.integration.shard.harness import shard_process, until_settled
from tests.support.ledger import Ledger
from tests.support.ports import reserve_port
from tests.support.processes import ChildProcess, is_alive
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until, wait_until_async


@pytest.fixture
def host(valkey: RedisServer, ledger: Ledger) -> Iterator[ChildProcess]:
    """A shard that is ready; six seconds for the whole of its end."""
    env = {
        "WORKER_SHUTDOWN_TIMEOUT": "5s",
        "WORKER_CONCURRENCY": 8,
        "WORKER_HEARTBEAT_INTERVAL": "500ms",
    }
    with shard_process(valkey.url, ledger, **env) as process:
        process.wait_for_output("report R")
        yield process


async def _started(ledger: Ledger, count: int) -> None:
    await wait_until_async(lambda: len(ledger.read("start")) == count, f"{count} run")


async def test_sigterm_drains(client: Shoal, host: ChildProcess, ledger: Ledger) -> None:
    """What runs finishes and is recorded, what waits is not claimed, exit status 0."""
    running = await client.submit_many("sleep", [1.0] * 8)
    await _started(ledger, 8)
    waiting = await client.submit_many("sleep", [0.0] * 20)
    host.terminate()
    assert host.wait(10) == ExitStatus.OK
    assert [await handle.state() for handle in running] == [State.COMPLETED] * 8
    assert [await handle.state() for handle in waiting] == [State.PENDING] * 20
    assert len(ledger.read("start")) == 8
    assert "processed 8" in host.stdout


async def test_what_does_not_finish_is_handed_back_before_it_is_cancelled(
    client: Shoal, host: ChildProcess, ledger: Ledger
) -> None:
    """At the deadline: PENDING again before all others, uncharged, then cancelled; exit status 0 in time."""
    handle = await client.submit("sleep", 60)
    thread = await client.submit("thread", 60)
    await _started(ledger, 2)
    start = time.monotonic()
    host.terminate()
    assert host.wait(10) == ExitStatus.OK
    assert time.monotonic() - start < 5
    assert ledger.task_ids("stopped") == {handle.id}
    for one in (handle, thread):
        task = await one.task()
        assert task.state is State.PENDING
        assert task.attempts == 0
        assert [line.outcome for line in task.history] == ["drained"]


async def test_a_second_sigterm_hands_back_at_once(
    client: Shoal, host: ChildProcess, ledger: Ledger
) -> None:
    """Within a second and a half, whatever runs."""
    handle = await client.submit("sleep", 60)
    await _started(ledger, 1)
    host.terminate()
    host.wait_for_output("told to stop")
    start = time.monotonic()
    host.terminate()
    assert host.wait(5) == ExitStatus.OK
    assert time.monotonic() - start < 1.5
    assert await handle.state() is State.PENDING


@pytest.mark.parametrize("name", ["sleep", "block", "thread"])
async def test_a_shard_whose_supervisor_is_gone_hands_back_and_ends_within_two_seconds(
    client: Shoal, host: ChildProcess, ledger: Ledger, name: str
) -> None:
    """Also while a handler blocks the loop: the thread that watches does it then."""
    handle = await client.submit(name, 60)
    await _started(ledger, 1)
    (shard,) = host.children()
    host.kill()
    wait_until(lambda: not is_alive(shard), "the shard is gone", 2.3)
    await until_settled(await client.broker(), PENDING=1)
    assert (await handle.task()).attempts == 0


async def test_a_handler_that_cannot_be_stopped_retires_its_shard(
    client: Shoal, host: ChildProcess, ledger: Ledger
) -> None:
    """It is recorded as timed out, its neighbours finish, and the shard asks for a successor."""
    stubborn = await client.submit("stubborn")
    await _started(ledger, 1)
    neighbour = await client.submit("sleep", 5.5)
    assert host.wait(20) == EXIT_RECYCLED
    assert len(ledger.read("refused to stop")) >= 1
    task = await stubborn.task()
    assert (task.state, task.reason) == (State.DEAD, "timeout")
    assert "could not be stopped" in task.error["message"]
    assert await neighbour.state() is State.COMPLETED


async def test_a_burst_ends_when_nothing_is_left(
    client: Shoal, valkey: RedisServer, ledger: Ledger
) -> None:
    """Ready, due and returned work is done; what waits for later is not waited for."""
    await client.submit_many("sleep", [0.01] * 300)
    await client.submit("sleep", 0, delay="300ms")
    later = await client.submit("sleep", 0, delay="1h")
    with shard_process(valkey.url, ledger, BURST=1) as host:
        assert host.wait(20) == ExitStatus.OK
    assert len(ledger.read("finish")) == 301
    assert await later.state() is State.SCHEDULED


async def test_burst_shards_wait_for_each_other(
    client: Shoal, valkey: RedisServer, ledger: Ledger, host: ChildProcess
) -> None:
    """A shard does not end while another one still runs something that may come back."""
    await client.submit("sleep", 1.5)
    await _started(ledger, 1)
    with shard_process(valkey.url, ledger, BURST=1, WORKER_ID="v") as other:
        assert other.wait(20) == ExitStatus.OK
    assert len(ledger.read("finish")) == 1


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("no_such_module:app", "no module 'no_such_module'"),
        ("tests.integration.shard.program:nothing", "nothing"),
        ("nonsense", "MODULE:APP"),
    ],
)
def test_an_application_that_cannot_be_loaded_is_one_line(
    valkey: RedisServer, ledger: Ledger, spec: str, says: str
) -> None:
    """On the pipe, with the exit status; no traceback."""
    with shard_process(valkey.url, ledger, APP=spec) as host:
        assert host.wait(20) == ExitStatus.MODULE_NOT_FOUND
        line = next(line for line in host.stdout.splitlines() if line.startswith("report"))
        assert line.startswith(f"report E{int(ExitStatus.MODULE_NOT_FOUND)}:")
        assert says in line
        assert "Traceback" not in host.stderr


def test_a_redis_that_is_not_there_is_one_line(ledger: Ledger) -> None:
    """With its own exit status."""
    reservation = reserve_port()
    url = f"redis://127.0.0.1:{reservation.port}/0"
    with shard_process(url, ledger) as host:
        assert host.wait(20) == ExitStatus.REDIS_UNREACHABLE
        assert f"report E{int(ExitStatus.REDIS_UNREACHABLE)}:" in host.stdout
    reservation.release()


def test_a_live_workers_name_is_not_taken(
    host: ChildProcess, valkey: RedisServer, ledger: Ledger
) -> None:
    """The second one sees it beat, and ends with its own exit status and one line."""
    env = {"WORKER_HEARTBEAT_INTERVAL": "500ms", "NONCE": "bbbbbb"}
    with shard_process(valkey.url, ledger, **env) as second:
        assert second.wait(20) == ExitStatus.WORKER_ID_TAKEN
        assert "the worker id 'w' is taken" in second.stdout
    assert host.returncode is None


def test_a_stopped_shard_says_what_it_did(host: ChildProcess) -> None:
    """Its log is JSON lines, the last of them says how many tasks it ran."""
    host.send(signal.SIGTERM)
    assert host.wait(10) == ExitStatus.OK
    lines = [json.loads(line) for line in host.stderr.splitlines()]
    assert "has ended: 0 tasks" in lines[-1]["message"]
    assert {line["worker"] for line in lines} == {"w-0"}
