"""Results come to who waits for them, from a real worker."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal import Shoal, State
from shoal.config import Settings
from shoal.errors import BrokerError, ResultTimeout, TaskCancelled, TaskFailed, TaskNotFound
from shoal.model.identity import task_id
from tests.support.processes import ChildProcess, shoal
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

MODULE = """
import asyncio
from shoal import NonRetryable, RetryPolicy, Shoal

app = Shoal()

@app.task("double")
async def double(ctx, payload):
    return {"twice": payload * 2, "attempt": ctx.attempt}

@app.task("second.time", retry=RetryPolicy(initial_backoff=0))
async def second_time(ctx, payload):
    if ctx.attempt < 2:
        raise ValueError("not yet")
    return ctx.attempt

@app.task("fail")
def fail(ctx, payload):
    raise NonRetryable("no such customer")

@app.task("typed")
async def typed(ctx, payload: dict[str, int]):
    return sum(payload.values())

@app.task("wait")
async def wait(ctx, payload):
    await asyncio.sleep(60)

@app.task("fan.out")
async def fan_out(ctx, payload):
    handles = await app.submit_many("double", range(payload))
    return [(await handle.result(10))["twice"] for handle in handles]
"""


@pytest.fixture
def worker(valkey: RedisServer, tmp_path: Path) -> Iterator[ChildProcess]:
    """Two shards that run the module above."""
    (tmp_path / "tasks.py").write_text(MODULE)
    env = {"REDIS_URL": valkey.url, "LOG_LEVEL": "warning"}
    with shoal("worker", "-n", "2", "tasks:app", env=env, cwd=tmp_path) as child:
        yield child
        child.terminate()
        assert child.wait() == 0


async def test_results_and_failures_arrive(worker: ChildProcess, app: Shoal) -> None:
    """COMPLETED returns, DEAD raises TaskFailed with its task, a cancel raises TaskCancelled."""
    done = await app.submit("double", 21)
    assert await done.result(timeout="20s") == {"twice": 42, "attempt": 1}
    assert await done.result() == {"twice": 42, "attempt": 1}
    assert await (await app.submit("second.time")).result(20) == 2

    failed = await app.submit("fail")
    with pytest.raises(TaskFailed, match="no such customer") as caught:
        await failed.result(20)
    assert caught.value.task.state is State.DEAD
    assert caught.value.task.attempts == 1

    misfit = await app.submit("typed", {"a": "b"})
    with pytest.raises(TaskFailed, match="invalid_payload"):
        await misfit.result(20)

    waiting = await app.submit("wait")
    with pytest.raises(ResultTimeout):
        await waiting.result(timeout=0.05)

    async def runs() -> bool:
        return await waiting.state() is State.RUNNING

    await wait_until_async(runs, "it runs")
    assert await waiting.cancel() is False
    with pytest.raises(TaskCancelled):
        await waiting.result(20)
    with pytest.raises(TaskNotFound):
        await app.handle(task_id(0, 1_700_000_000_000, 1)).result(1)


async def test_a_handler_submits_and_awaits_over_its_workers_connection(
    worker: ChildProcess, app: Shoal
) -> None:
    """Inside a handler the application is connected already."""
    handle = await app.submit("fan.out", 50)
    assert await handle.result(20) == [n * 2 for n in range(50)]


async def test_many_are_awaited_with_few_questions(worker: ChildProcess, app: Shoal) -> None:
    """However many wait, one loop asks for all of them."""
    broker = await app.broker()
    calls = 0
    inspect = broker.inspect

    async def counting(ids):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        nonlocal calls
        calls += 1
        return await inspect(ids)

    broker.inspect = counting  # type: ignore[method-assign]
    handles = await app.submit_many("double", range(1000))
    results = await asyncio.gather(*(handle.result(30) for handle in handles))
    assert [result["twice"] for result in results] == [n * 2 for n in range(1000)]
    assert calls < 300


async def test_waiting_outlasts_an_outage(valkey: RedisServer) -> None:
    """While Redis is away a waiting caller waits on, and a closed application ends the wait."""
    app = Shoal(Settings.load({"REDIS_URL": valkey.url}))
    handle = await app.submit("nobody.runs.this")
    wait = asyncio.ensure_future(handle.result())
    valkey.stop_process()
    done, _ = await asyncio.wait([wait], timeout=0.3)
    assert not done
    valkey.continue_process()
    await handle.cancel()
    with pytest.raises(TaskCancelled):
        await wait
    other = await app.submit("nobody.runs.this")
    wait = asyncio.ensure_future(other.result())
    await asyncio.sleep(0)
    await app.aclose()
    with pytest.raises(asyncio.CancelledError):
        await wait


async def test_an_error_that_no_repetition_mends_reaches_who_waits(
    app: Shoal, valkey: RedisServer
) -> None:
    """A damaged task is told to its waiter, and waiting for others goes on afterwards."""
    handle = await app.submit("nobody.runs.this")
    with valkey.client(decode=True) as client:
        [key] = client.keys(f"*task:{handle.id}")
        kept = client.dump(key)
        client.delete(key)
        client.set(key, "no hash")
        with pytest.raises(BrokerError):
            await handle.result(10)
        client.delete(key)
        client.restore(key, 0, kept)
    other = await app.submit("nobody.runs.this")
    waiting = asyncio.ensure_future(other.result(10))
    await other.cancel()
    with pytest.raises(TaskCancelled):
        await waiting
