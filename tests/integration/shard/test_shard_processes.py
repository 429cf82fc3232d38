"""Handlers in processes of their own: what they may do, how they end, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shoal import Shoal, State
from shoal.errors import TaskCancelled, TaskFailed
from shoal.lifecycle import EXIT_RECYCLED
from shoal.model.task import Task
from tests.integration.shard.harness import shard_process
from tests.support.ledger import Ledger
from tests.support.processes import ChildProcess, children_of, is_alive
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until, wait_until_async

APP = "tests.integration.shard.process_program:app"


@pytest.fixture
def host(valkey: RedisServer, ledger: Ledger) -> Iterator[ChildProcess]:
    """A shard with a fork server."""
    env = {
        "APP": APP,
        "WORKER_SHUTDOWN_TIMEOUT": "5s",
        "WORKER_CONCURRENCY": 4,
        "WORKER_HEARTBEAT_INTERVAL": "500ms",
    }
    with shard_process(valkey.url, ledger, **env) as process:
        process.wait_for_output("report R")
        yield process


def _tree(host: ChildProcess) -> tuple[int, int, list[int]]:
    """Pids of the shard, its fork server and its workers."""
    (shard,) = host.children()
    (server,) = children_of(shard)
    return shard, server, children_of(server)


async def _dead(handle: Any) -> Task:
    with pytest.raises(TaskFailed) as caught:
        await handle.result(timeout=20)
    return caught.value.task


async def _until_started(ledger: Ledger, count: int = 1) -> None:
    await wait_until_async(lambda: len(ledger.read("start")) == count, f"{count} run")


async def test_a_handler_runs_in_a_process_that_is_used_again(
    client: Shoal, host: ChildProcess, ledger: Ledger
) -> None:
    """In its main thread, with context and payload as elsewhere; the module was imported once, before."""
    big = {"n": 9007199254740993, "f": 1.0, "text": "\N{SNOWMAN}", "long": "x" * 500_000}
    first = await (await client.submit("echo", big, metadata={"a": "b"})).result(20)
    shard, _, workers = _tree(host)
    assert first == {
        "payload": big,
        "pid": workers[0],
        "attempt": 1,
        "metadata": {"a": "b"},
        "worker": "w-0",
        "is_main": True,
    }
    for _ in range(3):
        again = await (await client.submit("echo", 1)).result(20)
        assert again["pid"] == first["pid"]
    assert await (await client.submit("in.loop")).result(10) == shard
    assert await (await client.submit("waits", 0.01)).result(10) == "waited"
    assert await (await client.submit("mail", {"to": "ada"})).result(10) == "ada"
    assert [entry.task_id for entry in ledger.read("import")] == [str(shard)]


async def test_tasks_at_once_have_a_process_each(client: Shoal, host: ChildProcess) -> None:
    """As many as the concurrency, no more, and they work side by side."""
    start = time.monotonic()
    handles = await client.submit_many("waits", [0.5] * 8)
    for handle in handles:
        assert await handle.result(20) == "waited"
    assert time.monotonic() - start < 3
    assert len(_tree(host)[2]) == 4


@pytest.mark.parametrize(
    ("payload", "type_", "attempts"),
    [
        ("value", "ValueError", 2),
        ("exit", "SystemExit", 2),
        ("keyboard", "KeyboardInterrupt", 2),
        ("final", "shoal.errors.NonRetryable", 1),
        ("result", "shoal.errors.ResultNotSerializable", 1),
        ("large", "ResultTooLarge", 1),
    ],
)
async def test_what_a_handler_raises_there_is_recorded_as_elsewhere(
    client: Shoal, host: ChildProcess, payload: str, type_: str, attempts: int
) -> None:
    """Type, message, traceback as text, fingerprint; the policy and NonRetryable hold."""
    task = await _dead(await client.submit("raises", payload))
    assert (task.reason, task.error["type"], task.attempts) == ("exhausted", type_, attempts)
    if payload == "value":
        assert task.error["message"] == "wrong"
        assert "process_program.py" in task.error["traceback"]
        assert "process_worker.py" not in task.error["traceback"]
        assert task.error["fingerprint"]
    assert await (await client.submit("raises", "retry")).result(10) == 2


async def test_a_payload_that_does_not_fit_is_refused_there_too(
    client: Shoal, host: ChildProcess
) -> None:
    """DEAD ``invalid_payload`` with the fields."""
    task = await _dead(await client.submit("mail", {"to": 7}))
    assert task.reason == "invalid_payload"
    assert task.error["errors"][0]["path"] == "to"


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("SIGSEGV", "killed by SIGSEGV"),
        ("SIGKILL", "killed by SIGKILL (out of memory?)"),
        ("exit", "ended with exit status 3"),
    ],
)
async def test_a_process_that_dies_fails_its_task_alone(
    client: Shoal, host: ChildProcess, ledger: Ledger, how: str, says: str
) -> None:
    """The error says how it died; its neighbours and the shard go on, uncharged."""
    neighbour = await client.submit("polite", "return")
    await _until_started(ledger)
    shard = _tree(host)[0]
    task = await _dead(await client.submit("dies", how))
    assert (task.reason, task.error["type"]) == ("exhausted", "shoal.errors.ProcessDied")
    assert says in task.error["message"]
    assert await neighbour.state() is State.RUNNING
    assert _tree(host)[0] == shard
    assert await (await client.submit("echo", 1)).result(10)
    await neighbour.cancel()
    assert await neighbour.result(10) == "stopped: cancel"


async def test_a_process_is_killed_at_its_timeout(
    client: Shoal, host: ChildProcess, ledger: Ledger
) -> None:
    """Also one that sleeps, or keeps the interpreter's lock in C: asked first, killed a second later."""
    start = time.monotonic()
    handles = [
        await client.submit("sleeps", 60, timeout=0.3),
        await client.submit("keeps.lock", 60),
    ]
    for handle in handles:
        task = await _dead(handle)
        assert task.reason == "timeout"
        assert "0.3 s" in task.error["message"]
    assert time.monotonic() - start < 5
    pids = [int(entry.task_id) for entry in ledger.read("pid")]
    wait_until(lambda: not any(map(is_alive, pids)), "both are gone", 2)
    task = await _dead(await client.submit("polite", "raise", timeout=0.3))
    assert task.reason == "timeout"


async def test_a_task_in_a_process_can_be_cancelled(
    client: Shoal, host: ChildProcess, ledger: Ledger
) -> None:
    """One that asks ends by itself, one that does not is killed; both CANCELLED, and soon."""
    for count, (name, payload) in enumerate((("polite", "raise"), ("sleeps", 60)), 1):
        handle = await client.submit(name, payload)
        await _until_started(ledger, count)
        start = time.monotonic()
        assert await handle.cancel() is False
        with pytest.raises(TaskCancelled):
            await handle.result(10)
        assert time.monotonic() - start < 2.5
    (pid,) = (int(entry.task_id) for entry in ledger.read("pid"))
    wait_until(lambda: not is_alive(pid), "its process is gone", 2)


async def test_what_it_says_while_it_runs_is_kept(client: Shoal, host: ChildProcess) -> None:
    """Progress, log and more time, over the process's border."""
    handle = await client.submit("speaks", 30)
    assert await handle.result(20) == "done"
    task = await handle.task()
    assert task.progress is not None
    assert (task.progress["fraction"], task.progress["message"]) == (1.0, "step 30")
    assert [line.message for line in task.log] == [f"line {n + 1}" for n in range(30)]
    assert {(line.level, line.attempt) for line in task.log} == {("warning", 1)}


async def test_output_is_written_when_the_task_has_ended(client: Shoal, host: ChildProcess) -> None:
    """To the shard's own outputs, each text once, although processes are forked and reused."""
    for name in ("one", "two", "three"):
        await (await client.submit("prints", name)).result(10)
    await asyncio.to_thread(host.wait_for_output, "<three>")
    host.terminate()
    assert await asyncio.to_thread(host.wait, 10) == 0
    for name in ("one", "two", "three"):
        assert host.stdout.count(f"<{name}>") == 1
        assert host.stderr.count(f"[{name}]") == 1


async def test_a_drain_lets_processes_finish_and_leaves_none(
    client: Shoal, host: ChildProcess, ledger: Ledger
) -> None:
    """SIGTERM to the whole group, as a terminal or a service manager sends it."""
    handles = await client.submit_many("sleeps", [1.0] * 4)
    await _until_started(ledger, 4)
    shard, server, workers = _tree(host)
    for pid in (shard, server, *workers):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT) if pid != shard else None
    assert await asyncio.to_thread(host.wait, 10) == 0
    assert [await handle.state() for handle in handles] == [State.COMPLETED] * 4
    wait_until(lambda: not any(map(is_alive, (server, *workers))), "all are gone", 2)


async def test_kill_9_of_the_shard_leaves_no_process(
    client: Shoal, host: ChildProcess, ledger: Ledger
) -> None:
    """Not the server, not a worker that is idle, sleeps or keeps the interpreter's lock."""
    await client.submit("keeps.lock", 60, timeout=60)
    await client.submit("sleeps", 60)
    await _until_started(ledger, 2)
    await (await client.submit("echo", 1)).result(10)
    shard, server, workers = _tree(host)
    assert len(workers) == 3
    os.kill(shard, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, (server, *workers))), "all are gone", 2)
    await asyncio.to_thread(host.wait, 10)


async def test_a_shard_whose_fork_server_died_makes_room(
    client: Shoal, host: ChildProcess, ledger: Ledger
) -> None:
    """What ran in processes goes back uncharged, and a successor is wanted."""
    handle = await client.submit("sleeps", 60)
    await _until_started(ledger)
    _, server, workers = _tree(host)
    os.kill(server, signal.SIGKILL)
    assert await asyncio.to_thread(host.wait, 10) == EXIT_RECYCLED
    assert not any(map(is_alive, workers))
    task = await handle.task()
    assert (task.state, task.attempts) == (State.PENDING, 0)
    assert [(line.outcome, line.error) for line in task.history] == [("returned", "no_fork_server")]
