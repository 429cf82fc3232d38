"""The WebSocket sends what happens while it happens, at any API process."""

import asyncio
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.api import KEY, Api, running_api
from tests.support.live import LiveClient, live_client
from tests.support.processes import shoal
from tests.support.servers import RedisServer

MODULE = """
import asyncio
from shoal import RetryPolicy, Shoal

app = Shoal()

@app.task("double")
async def double(ctx, payload):
    return payload * 2

@app.task("fails", retry=RetryPolicy(max_retries=1, initial_backoff=0.05, jitter=False))
async def fails(ctx, payload):
    raise ValueError("no")
"""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def worker(valkey: RedisServer, tmp_path: Path) -> Iterator[None]:
    """A worker with one shard."""
    (tmp_path / "tasks.py").write_text(MODULE)
    env = {"REDIS_URL": valkey.url, "WORKER_ID": "host", "WORKER_HEARTBEAT_INTERVAL": "1s"}
    with shoal("worker", "-n", "1", "tasks:app", env=env, cwd=tmp_path) as child:
        child.wait_for_output("shard 0 is ready")
        yield
        child.terminate()
        assert child.wait() == 0


async def _submit(api: Api, type: str = "mail", payload: object = None, **fields: object) -> str:
    return await asyncio.to_thread(api.submit, type, payload, **fields)


def _has_events(client: LiveClient, number: int) -> bool:
    return len(client.events()) == number


def _has_task(client: LiveClient, task: str) -> bool:
    return any(event["data"]["task_id"] == task for event in client.events())


async def test_an_events_form(api: Api) -> None:
    """Id, number from 1, type, time and data; the numbers go on without a gap."""
    async with live_client(api.ports) as client:
        await client.sub("feed")
        ids = [await _submit(api) for _ in range(3)]
        later = await _submit(api, delay="1h")
        await client.wait(lambda: len(client.events()) == 4, "four events came")
        events = client.events()
        assert [event["seq"] for event in events] == [1, 2, 3, 4]
        assert len({event["id"] for event in events}) == 4
        assert all(MOMENT.fullmatch(event["timestamp"]) for event in events)
        assert [event["data"]["task_id"] for event in events] == [*ids, later]
        assert events[0]["type"] == "task.submitted"
        assert events[0]["data"] == {
            "task_id": ids[0],
            "task_type": "mail",
            "state": "PENDING",
            "queue": "default",
            "priority": "NORMAL",
        }
        assert events[3]["type"] == "task.scheduled"
        assert events[3]["data"]["state"] == "SCHEDULED"


async def test_a_tasks_whole_life(api: Api, worker: None) -> None:
    """A task that completes, and one that fails, is retried and dies, send each step in order."""
    async with live_client(api.ports) as client:
        await client.sub("feed", mode="every")
        good = await _submit(api, "double", 2)
        bad = await _submit(api, "fails")
        await client.wait(lambda: client.events("task.dead"), "the bad task is dead")
        await client.wait(lambda: client.events("task.completed"), "the good task is done")
        lives = {
            task: [e["type"] for e in client.events() if e["data"].get("task_id") == task]
            for task in (good, bad)
        }
        assert lives[good] == ["task.submitted", "task.started", "task.completed"]
        assert lives[bad] == [
            "task.submitted",
            "task.started",
            "task.failed",
            "task.retrying",
            "task.started",
            "task.failed",
            "task.dead",
        ]
        failed = [event["data"]["will_retry"] for event in client.events("task.failed")]
        assert failed == [True, False]
        assert client.events("task.started")[0]["data"]["worker_id"] == "host-0"


async def test_filters_are_applied_by_the_server(api: Api) -> None:
    """By type, queue, priority, task and event; what cannot be is refused."""
    async with live_client(api.ports) as client:
        await client.sub("feed", filter={"types": ["b"], "events": ["task.*"]})
        await _submit(api, "a")
        wanted = await _submit(api, "b")
        await client.wait(client.events, "an event came")
        await client.sub("feed", filter={"queues": ["other"], "priorities": ["HIGH"]})
        await _submit(api, "b", queue="other")
        also = await _submit(api, "b", queue="other", priority="HIGH")
        await client.wait(lambda: len(client.events()) == 2, "two events came")
        assert [e["data"]["task_id"] for e in client.events()] == [wanted, also]
        await client.say(op="sub", topic="feed", filter={"events": ["task.nothing"]})
        await client.wait(lambda: client.of("error"), "the filter is refused")
        assert client.of("error")[0]["data"]["code"] == "invalid_message"


async def test_resuming_at_another_process_misses_and_repeats_nothing(valkey: RedisServer) -> None:
    """From each event of a hundred in a few entries, and what happens after."""
    with running_api(valkey.url) as one, running_api(valkey.url) as two:
        batch = [{"type": "mail", "payload": n} for n in range(50)]
        async with live_client(one.ports) as client:
            await client.sub("feed", mode="every")
            for _ in range(2):
                answer = await asyncio.to_thread(one.batch, *batch)
                assert answer.json["accepted"] == 50
            await client.wait(lambda: len(client.events()) == 100, "all events came")
            events = client.events()
        order = [event["data"]["task_id"] for event in events]
        for place in (0, 1, 24, 49, 50, 77, 98, 99):
            async with live_client(two.ports) as client:
                await client.sub("feed", mode="every", since=events[place]["id"])
                last = await _submit(two)
                await client.wait(
                    partial(_has_task, client, last),
                    "what happens after the replay comes",
                )
                got = [event["data"]["task_id"] for event in client.events()]
                assert len(set(got)) == len(got)
                assert set(got) == {*order[place + 1 :], last}
                assert client.of("missed") == []
            order.append(last)
            events.append({"id": ""})


async def test_what_is_not_kept_is_said(api: Api, valkey: RedisServer) -> None:
    """A cursor into events that were trimmed is answered by `missed`, and what is kept follows."""
    async with live_client(api.ports) as client:
        await client.sub("feed", mode="every")
        await _submit(api)
        await client.wait(client.events, "an event came")
        cursor = client.events()[0]["id"]
    for _ in range(40):
        await _submit(api)
    with valkey.client() as redis:
        for key in redis.scan_iter("*:events"):
            redis.xtrim(key, maxlen=1, approximate=False)
    async with live_client(api.ports) as client:
        await client.sub("feed", mode="every", since=cursor)
        await client.wait(lambda: client.of("missed"), "it is said that events are missing")
        data = client.of("missed")[0]["data"]
        assert data["since"] < data["until"]
        await client.say(op="sub", topic="feed", since="nonsense")
        await client.wait(lambda: client.of("error"), "a wrong cursor is refused")
        assert client.of("error")[0]["data"]["code"] == "invalid_cursor"


async def test_overview_and_queues_are_exact(api: Api, worker: None) -> None:
    """A snapshot, then deltas whose values equal the counters."""
    async with live_client(api.ports) as client:
        for topic in ("overview", "queues", "workers"):
            await client.sub(topic)
        await client.wait(lambda: len(client.of("snapshot")) == 3, "three snapshots came")
        assert set(client.state("workers")) == {"host-0"}
        for n in range(20):
            await _submit(api, "double", n)
        waiting = await _submit(api, "double", 0, delay="1h", queue="slow")
        await client.wait(
            lambda: client.state("overview")["tasks"]["COMPLETED"] == 20, "all are done"
        )
        await client.wait(lambda: client.state("overview")["tasks"]["SCHEDULED"] == 1, "one waits")
        state = client.state("overview")
        assert state["totals"]["submitted"] == 21
        assert state["totals"]["completed"] == state["totals"]["settled"] == 20
        assert state["workers"]["live"] == 1
        await client.wait(lambda: "default:NORMAL" in client.state("queues"), "it is shown")
        assert client.state("queues")["default:NORMAL"]["level"] == "ok"
        assert (await asyncio.to_thread(api.get, "/api/v1/stats")).json["tasks"]["COMPLETED"] == 20
        await asyncio.to_thread(api.request, "DELETE", f"/api/v1/tasks/{waiting}")
        await client.wait(
            lambda: client.state("overview")["tasks"]["CANCELLED"] == 1, "the cancel is seen"
        )


async def test_a_single_task_is_followed(api: Api, worker: None) -> None:
    """Its document comes without payload and result, and each change of it as a delta."""
    task = await _submit(api, "double", 4, delay="300ms")
    async with live_client(api.ports) as client:
        topic = f"task:{task.upper()}"
        answer = await client.sub(topic)
        topic = answer["topic"]
        assert topic == f"task:{task}"
        await client.wait(lambda: client.state(topic).get("state") == "COMPLETED", "it is done")
        snapshot = client.of("snapshot", topic)[0]["data"]
        assert snapshot["state"] == "SCHEDULED"
        assert not {"payload", "result"} & set(snapshot)
        assert client.state(topic)["worker_id"].startswith("host-0")


async def test_workers_come_and_go(api: Api, valkey: RedisServer, tmp_path: Path) -> None:
    """With the reason; and the topic loses them."""
    (tmp_path / "tasks.py").write_text(MODULE)
    env = {"REDIS_URL": valkey.url, "WORKER_ID": "host"}
    async with live_client(api.ports) as client:
        await client.sub("feed", filter={"events": ["worker.*"]})
        await client.sub("workers")
        with shoal("worker", "-n", "1", "tasks:app", env=env, cwd=tmp_path) as child:
            await client.wait(lambda: client.events("worker.joined"), "a worker joined")
            await client.wait(lambda: client.state("workers").get("host-0"), "it is shown")
            child.terminate()
            await client.wait(lambda: client.events("worker.left"), "it left")
        assert client.events("worker.left")[0]["data"] == {
            "worker_id": "host-0",
            "reason": "shutdown",
        }
        await client.wait(lambda: client.state("workers") == {}, "it is shown no more")


async def test_a_lost_message_only_delays(api: Api, valkey: RedisServer) -> None:
    """Events whose hint nobody heard come within 2 s: every subscription is cut again and again."""
    with valkey.client() as redis:
        async with live_client(api.ports) as client:
            await client.sub("feed")
            await _submit(api)
            await client.wait(client.events, "the hub reads")
            for n in range(2, 6):
                redis.client_kill_filter(_type="pubsub")
                await _submit(api)
                began_s = time.monotonic()
                await client.wait(partial(_has_events, client, n), "it came")
                assert time.monotonic() - began_s < 2
            assert client.of("status") == []


async def test_redis_goes_and_comes(proven: RedisServer) -> None:
    """Clients are told both, stay connected, and miss nothing of what happened after."""
    with running_api(proven.url) as api:
        async with live_client(api.ports) as client:
            await client.sub("feed")
            await client.sub("overview")
            await _submit(api)
            await client.wait(client.events, "an event came")
            proven.kill()
            await client.wait(lambda: client.of("status"), "Redis is said to be away")
            assert client.of("status")[0]["data"]["redis"] == "disconnected"
            assert (await asyncio.to_thread(api.get, "/api/v1/stats")).status == 503
            proven.restart()
            await client.wait(
                lambda: client.of("status")[-1]["data"]["redis"] == "connected", "it is back"
            )
            task = await _submit(api)
            await client.wait(
                lambda: client.events()[-1]["data"]["task_id"] == task, "events come again"
            )


async def test_periodic_events_are_for_who_names_them(api: Api) -> None:
    """`queue.depth` and `system.metrics` each second, without an id."""
    await _submit(api)
    async with live_client(api.ports) as client:
        await client.sub("feed", filter={"events": ["queue.depth", "system.metrics"]})
        await client.wait(lambda: client.events("system.metrics"), "the metrics came")
        await client.wait(lambda: client.events("queue.depth"), "the depths came")
        depth = next(e for e in client.events("queue.depth") if e["data"]["priority"] == "NORMAL")
        assert depth["id"] is None
        assert depth["data"]["depth"] == 1
        assert depth["data"]["level"] == "ok"


async def test_a_ticket_opens_one_socket(api: Api) -> None:
    """Without any header; the second time it is refused, and so is a key in the address."""
    import aiohttp

    answer = await asyncio.to_thread(api.post, None, "/api/v1/ws-tickets")
    ticket = answer.json["ticket"]
    async with live_client(api.ports, key=None, query=f"?ticket={ticket}"):
        pass
    for query in (f"?ticket={ticket}", f"?key={KEY}", ""):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with live_client(api.ports, key=None, query=query):
                pass
        assert caught.value.status == 401


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        ("http://127.0.0.1:{port}", True),
        ("http://evil.example", False),
        ("null", False),
        ("http://127.0.0.1:1", False),
    ],
)
async def test_origins(api: Api, origin: str, is_let_in: bool) -> None:
    """Only pages of the API's own address may open it."""
    import aiohttp

    headers = {"Origin": origin.format(port=api.ports.public)}
    if is_let_in:
        async with live_client(api.ports, headers=headers):
            return
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with live_client(api.ports, headers=headers):
            pass
    assert caught.value.status == 403


async def test_types_are_counted_exactly(api: Api, worker: None) -> None:
    """The topic `types` has the tasks of each type by state, and the runs that were settled and failed."""
    async with live_client(api.ports) as client:
        await client.sub("types")
        await client.sub("queues")
        for _ in range(3):
            await _submit(api, "double", 2)
        await _submit(api, "fails")
        await _submit(api, "nobody", delay="1h")
        wanted = {
            "double": {"COMPLETED": 3, "settled": 3, "failed": 0},
            "fails": {"DEAD": 1, "settled": 2, "failed": 2},
            "nobody": {"SCHEDULED": 1},
        }
        await client.wait(lambda: client.state("types") == wanted, "all are counted")
        row = client.state("queues")["default:NORMAL"]
        assert (row["submitted"], row["settled"]) == (5, 5)
