"""The registry: who lives, who left and why, and who may have a name."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shoal.broker.registry import Registry, Wish
from shoal.errors import ExitStatus, StartupError
from shoal.model.worker import WorkerRecord, WorkerState
from tests.integration.broker.conftest import scene_on
from tests.support.builders import Scene
from tests.support.servers import RedisServer

FIRST = "web-0.aaaaaa"
SECOND = "web-0.bbbbbb"
WORKERS = "{t}:workers"
RECORD = "{t}:worker:web-0"


def record(
    incarnation: str = FIRST, current_tasks: int = 0, state: WorkerState = WorkerState.IDLE
) -> WorkerRecord:
    """A worker's record."""
    return WorkerRecord(
        incarnation=incarnation,
        state=state,
        concurrency=10,
        current_tasks=current_tasks,
        started_at_ms=1,
        last_heartbeat_ms=2,
        host="web",
        pid=1,
        version="1",
    )


@pytest_asyncio.fixture
async def quick(server: RedisServer) -> AsyncIterator[tuple[Scene, Registry]]:
    """A registry with the shortest heartbeat, 0.5 s."""
    async with scene_on(server, worker__heartbeat_s=0.5) as scene:
        yield scene, Registry(scene.broker)


async def test_beat_and_live(quick: tuple[Scene, Registry]) -> None:
    """A worker lives as long as it beats; its record is the last one it sent."""
    _, registry = quick
    assert await registry.take_name(record()) is None
    wish = await registry.beat(record(current_tasks=3, state=WorkerState.BUSY))
    assert wish == Wish(desired="", epoch=1, taken_by="")
    (live,) = await registry.live()
    assert live == record(current_tasks=3, state=WorkerState.BUSY)
    assert await registry.live_names() == ["web-0"]


async def test_missed_heartbeats(quick: tuple[Scene, Registry]) -> None:
    """Who missed three heartbeats leaves as lost; its record stays with the cause, for an hour at most."""
    scene, registry = quick
    await registry.take_name(record())
    scene.client().zadd(WORKERS, {"web-0": scene.now_ms() - 1600})
    assert await registry.live() == []
    assert scene.client().hget(RECORD, "left") == b"lost"
    assert 3500 < scene.client().ttl(RECORD) <= 3600


async def test_back_after_it_was_given_up(quick: tuple[Scene, Registry]) -> None:
    """A worker that was given up as lost and beats again lives, and its name is not free."""
    scene, registry = quick
    await registry.take_name(record())
    scene.client().zadd(WORKERS, {"web-0": scene.now_ms() - 1600})
    await registry.live()
    await registry.beat(record())
    assert await registry.live_names() == ["web-0"]
    assert scene.client().hget(RECORD, "left") is None


async def test_leave(quick: tuple[Scene, Registry]) -> None:
    """A worker that leaves says why; a late copy of it does not touch its successor."""
    scene, registry = quick
    await registry.take_name(record())
    await registry.leave(FIRST, "shutdown")
    assert await registry.live_names() == []
    assert scene.client().hget(RECORD, "left") == b"shutdown"
    # The name is free at once.
    assert await registry.take_name(record(SECOND)) is None
    await registry.leave(FIRST, "crashed")
    assert await registry.live_names() == ["web-0"]


async def test_replaces_its_dead(quick: tuple[Scene, Registry]) -> None:
    """A start that names the incarnation it replaces takes the name at once, and is told whom to release."""
    _, registry = quick
    await registry.take_name(record())
    assert await registry.take_name(record(SECOND), replaces=FIRST) == FIRST
    wish = await registry.beat(record())
    assert wish.taken_by == SECOND


async def test_repeated(quick: tuple[Scene, Registry]) -> None:
    """Taking one's own name again is no conflict."""
    _, registry = quick
    await registry.take_name(record())
    assert await registry.take_name(record()) is None


async def test_stale_holder(quick: tuple[Scene, Registry]) -> None:
    """A holder whose stamp is older than 15 s is taken over without watching."""
    scene, registry = quick
    await registry.take_name(record())
    scene.client().hset(RECORD, "beat", scene.now_ms() - 15_500)
    async with asyncio.timeout(1):
        assert await registry.take_name(record(SECOND)) == FIRST


async def test_silent_holder(redis7: RedisServer) -> None:
    """A holder with a young stamp that stands for a heartbeat and a second is taken over."""
    async with scene_on(redis7, worker__heartbeat_s=0.5) as scene:
        registry = Registry(scene.broker)
        await registry.take_name(record())
        assert await registry.take_name(record(SECOND)) == FIRST


async def test_living_holder(redis7: RedisServer) -> None:
    """A holder whose stamp moves keeps its name: the second start is refused with the remedy."""
    async with scene_on(redis7, worker__heartbeat_s=0.5) as scene:
        registry = Registry(scene.broker)
        await registry.take_name(record())

        async def beat() -> None:
            while True:
                await registry.beat(record())
                await asyncio.sleep(0.2)

        beating = asyncio.create_task(beat())
        with pytest.raises(StartupError, match="'web' is taken") as caught:
            await registry.take_name(record(SECOND))
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        assert caught.value.exit_status == ExitStatus.WORKER_ID_TAKEN


async def test_wish(quick: tuple[Scene, Registry]) -> None:
    """What is wished of a worker comes with the reply to its heartbeat."""
    scene, registry = quick
    await registry.take_name(record())
    scene.client().hset(RECORD, "desired", "paused")
    assert (await registry.beat(record())).desired == "paused"


@pytest.mark.parametrize("cause", ["shutdown", "lost", ""])
async def test_a_pause_outlives_a_restart(quick: tuple[Scene, Registry], cause: str) -> None:
    """Whether the life before ended well or not."""
    scene, registry = quick
    await registry.take_name(record())
    scene.client().hset(RECORD, "desired", "paused")
    if cause:
        await registry.leave(FIRST, cause)
    await registry.take_name(record(SECOND), replaces=None if cause else FIRST)
    assert (await registry.beat(record(SECOND))).desired == "paused"


async def test_a_shutdown_concerns_one_life(quick: tuple[Scene, Registry]) -> None:
    """It is over with the life that it ended; who died before it had shut down hands it to its replacement."""
    scene, registry = quick
    third = "web-0.cccccc"
    await registry.take_name(record())
    scene.client().hset(RECORD, "desired", "shutdown")
    await registry.take_name(record())
    assert (await registry.beat(record())).desired == "shutdown"
    # Its supervisor replaces it: the wish is still to be fulfilled.
    await registry.take_name(record(SECOND), replaces=FIRST)
    assert (await registry.beat(record(SECOND))).desired == "shutdown"
    await registry.leave(SECOND, "shutdown")
    await registry.take_name(record(third), replaces=SECOND)
    assert (await registry.beat(record(third))).desired == ""
    # A new start after a crash of the whole host.
    scene.client().hset(RECORD, mapping={"desired": "shutdown", "beat": scene.now_ms() - 20_000})
    await registry.take_name(record())
    assert (await registry.beat(record())).desired == ""


async def test_unreadable_record(quick: tuple[Scene, Registry]) -> None:
    """A record that this release can't read is left out, not an error."""
    scene, registry = quick
    await registry.take_name(record())
    scene.client().hset(RECORD, "record", "no JSON")
    assert await registry.live() == []
    assert await registry.live_names() == ["web-0"]
