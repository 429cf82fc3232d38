"""Encryption at rest: what Redis writes to disk holds no text of a task, and nothing else changes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal import Shoal, State, TaskContext
from shoal.broker.verify import verify
from shoal.errors import CannotDecrypt, TaskFailed
from tests.integration.shard.harness import client_at, client_on, shard_on, shard_process
from tests.support.api import running_api
from tests.support.ledger import Ledger
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until, wait_until_async

CANARY = "Zx9canary7Qk"
K1 = "k1:" + base64.b64encode(b"1" * 32).decode()
K2 = "k2:" + base64.b64encode(b"2" * 32).decode()
KEYED: dict[str, Any] = {"encryption__keys": K1}


@pytest.fixture
def plain_server() -> Iterator[RedisServer]:
    """A server whose files hold what it stores as it is: uncompressed."""
    server = RedisServer("valkey", config={"rdbcompression": "no", "appendfsync": "always"})
    try:
        yield server.start()
    finally:
        server.close()


def on_disk(server: RedisServer) -> bytes:
    """All that the server has written: its append-only file, before and after a rewrite, and a snapshot."""
    with server.client() as redis:
        seen = _files(server.directory)
        redis.bgrewriteaof()
        wait_until(lambda: redis.info("persistence")["aof_rewrite_in_progress"] == 0, "rewritten")
        redis.save()
        assert redis.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    return seen + _files(server.directory)


def _files(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


def application() -> Shoal:
    """Handlers that put the canary wherever a handler can."""
    app = Shoal()

    @app.task("echo")
    async def echo(ctx: TaskContext, payload: Any) -> Any:
        ctx.log(f"it was {payload}")
        ctx.progress(1, 2, str(payload))
        return payload

    @app.task("thread")
    def thread(ctx: TaskContext, payload: Any) -> Any:
        ctx.log(f"it was {payload}", level="error")
        return {"result": payload}

    @app.task("fails", max_retries=1)
    async def fails(_ctx: TaskContext, payload: Any) -> None:
        raise ValueError(f"bad {payload}")

    @app.task("typed", max_retries=0)
    async def typed(_ctx: TaskContext, payload: int) -> int:
        return payload

    @app.task("slow", timeout=0.05, max_retries=0)
    async def slow(ctx: TaskContext, payload: Any) -> None:
        secret = str(payload)
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError(secret)

    return app


async def through_every_door(client: Shoal) -> list[str]:
    """Submit the canary in every way there is, and wait; ids of all tasks."""
    handles = [
        await client.submit("echo", {"secret": CANARY}),
        await client.submit("thread", CANARY, unique_key="u", metadata={"seen": "yes"}),
        await client.submit("echo", CANARY, delay=0.05),
        *await client.submit_many("echo", [CANARY] * 3),
        await client.submit("fails", CANARY),
        await client.submit("typed", CANARY),
        await client.submit("slow", CANARY),
        await client.submit("echo", [CANARY], retention="1h"),
    ]
    batch = client.batch()
    first = batch.add("echo", CANARY)
    batch.add("echo", CANARY, depends_on=[first])
    batch.add("echo", CANARY)
    handles += await batch.submit()
    assert await handles[0].result(20) == {"secret": CANARY}
    handles.append(await client.duplicate(handles[0].id))
    await client.schedules.add("often", "0 0 1 1 *", "echo", {"secret": CANARY})
    await client.schedules.add("often", "0 0 1 1 *", "echo", {"secret": CANARY})
    handles.append(client.handle(await client.schedules.trigger("often")))
    for handle in handles:
        try:
            shown = str(await handle.result(20))
        except TaskFailed as failed:
            shown = f"{CANARY} is in no other error" if failed.task.type != "fails" else str(failed)
        assert CANARY in shown
    return [handle.id for handle in handles]


@pytest.mark.parametrize("keyed", [True, False], ids=["encrypted", "in the clear"])
async def test_what_the_server_writes_holds_no_text(
    plain_server: RedisServer, *, keyed: bool
) -> None:
    """What tasks, schedules and dead letters hold stands in no file; without keys it does."""
    changes: dict[str, Any] = KEYED if keyed else {}
    async with client_on(plain_server, **changes) as client:
        async with shard_on(plain_server.url, application(), **changes):
            ids = await through_every_door(client)
        tasks = [await client.handle(task_id).task() for task_id in ids]
        found = on_disk(plain_server)
        assert (CANARY.encode() in found) is not keyed
        assert (base64.b64encode(b"1" * 32) in found) is False
        assert b"echo" in found
    by_type = {task.type: task for task in tasks}
    assert by_type["thread"].log[0].message == f"it was {CANARY}"
    assert by_type["thread"].metadata == {"seen": "yes"}
    assert by_type["fails"].reason == "exhausted"
    assert [CANARY in str(line.error) for line in by_type["fails"].history] == [True, True]
    assert by_type["echo"].progress is not None
    assert CANARY in by_type["echo"].progress["message"]
    assert by_type["typed"].reason == "invalid_payload"
    assert by_type["slow"].reason == "timeout"
    assert len(by_type["fails"].error["fingerprint"]) == 12


async def test_handlers_in_processes_work_in_the_clear(
    plain_server: RedisServer, ledger: Ledger
) -> None:
    """A process=True handler reads its payload and its result is sealed; neither is on disk."""
    env = {
        "APP": "tests.integration.shard.process_program:app",
        "SHOAL_ENCRYPTION_KEYS": K1,
        "WORKER_HEARTBEAT_INTERVAL": "500ms",
    }
    async with client_on(plain_server, **KEYED) as client:
        with shard_process(plain_server.url, ledger, **env) as host:
            host.wait_for_output("report R")
            handle = await client.submit("echo", {"secret": CANARY})
            assert (await handle.result(20))["payload"] == {"secret": CANARY}
            host.terminate()
            assert host.wait(15) == 0
        assert CANARY.encode() not in on_disk(plain_server)


async def test_a_worker_without_the_key_gives_the_task_up_by_name(valkey: RedisServer) -> None:
    """DEAD with the reason `decrypt`, which names the key; with the key back it is requeued and runs."""
    async with client_on(valkey, **KEYED) as client:
        handles = [await client.submit("echo", CANARY) for _ in range(2)]
        others: list[dict[str, Any]] = [{"encryption__keys": K2}, {}]
        for keys in others:
            async with shard_on(valkey.url, application(), **keys):
                for handle in handles:
                    with pytest.raises(TaskFailed, match="decrypt"):
                        await handle.result(10)
                    task = await handle.task()
                    assert (task.state, task.reason) == (State.DEAD, "decrypt")
                    assert task.error["type"] == "CannotDecrypt"
                    assert "encrypted with key k1, " in task.error["message"]
                    assert task.history[-1].error is not None
                    assert "key k1" in task.history[-1].error
                    assert CANARY not in str(task.error)
            broker = await client.broker()
            op = f"again-{len(keys)}"
            answers = await broker.requeue([handle.id for handle in handles], op)
            assert [answer.status for answer in answers] == ["requeued"] * 2
        async with shard_on(valkey.url, application(), **KEYED):
            assert [await handle.result(10) for handle in handles] == [CANARY] * 2


async def test_keys_are_rotated_while_tasks_wait(valkey: RedisServer) -> None:
    """Old tasks open with the old key, new ones are sealed with the new one, all results are readable."""
    both: dict[str, Any] = {"encryption__keys": f"{K2},{K1}"}
    async with client_on(valkey) as unkeyed, client_on(valkey, **KEYED) as before:
        clear = await unkeyed.submit("echo", "clear")
        old = await before.submit("echo", "old")
        done = await before.submit("echo", "done")
        async with shard_on(valkey.url, application(), **KEYED):
            assert [await one.result(10) for one in (done, old)] == ["done", "old"]
        old = await before.submit("echo", "old")
        async with client_on(valkey, **both) as during:
            new = await during.submit("echo", "new")
            copy = await during.duplicate(done.id)
            async with shard_on(valkey.url, application(), **both):
                for handle, value in ((old, "old"), (new, "new"), (copy, "done"), (clear, "clear")):
                    assert await during.handle(handle.id).result(10) == value
            assert await during.handle(done.id).result(1) == "done"
        async with client_on(valkey, encryption__keys=K2) as after:
            assert await after.handle(copy.id).result(1) == "done"
            assert await after.handle(old.id).result(1) == "old"
            with pytest.raises(CannotDecrypt, match="encrypted with key k1"):
                await after.handle(done.id).result(1)
            with pytest.raises(CannotDecrypt, match="encrypted with key k1"):
                await after.duplicate(done.id)
        # Without any key the task is shown, and a result is never made up.
        assert (await unkeyed.handle(new.id).task()).payload == "encrypted with key k2"
        with pytest.raises(CannotDecrypt, match="SHOAL_ENCRYPTION_KEYS is not set here"):
            await unkeyed.handle(new.id).result(1)


async def test_swapped_payloads_are_refused(valkey: RedisServer) -> None:
    """Whoever may write to Redis can't make one task run with what another was submitted with."""
    async with client_on(valkey, **KEYED) as client:
        one, two = [await client.submit("echo", text) for text in ("one", "two")]
        broker = await client.broker()
        keys = [broker.keys[0].prefix + "task:" + handle.id for handle in (one, two)]
        with valkey.client() as redis:
            first, second = (redis.hget(key, "spec") for key in keys)
            redis.hset(keys[0], "spec", second)
            redis.hset(keys[1], "spec", first)
        async with shard_on(valkey.url, application(), **KEYED):
            for handle in (one, two):
                with pytest.raises(TaskFailed, match="decrypt"):
                    await handle.result(10)
                assert "not as the payload of" in (await handle.task()).error["message"]


async def test_declared_schedules_are_not_changed_by_each_start(valkey: RedisServer) -> None:
    """Declaring the same again is seen to be the same, though it is sealed; its ticks run."""
    app = Shoal()

    @app.cron("0 0 1 1 *", payload={"secret": CANARY})
    @app.task("yearly")
    async def yearly(_ctx: TaskContext, payload: Any) -> Any:
        return payload

    async with client_on(valkey, **KEYED) as client:
        stored: list[Any] = []

        async def is_declared() -> bool:
            return bool(await client.schedules.list())

        for _ in range(2):
            async with shard_on(valkey.url, app, **KEYED):
                await wait_until_async(is_declared, "it is declared")
                task_id = await client.schedules.trigger("yearly")
                assert await client.handle(task_id).result(10) == {"secret": CANARY}
            with valkey.client() as redis:
                stored.append(redis.hgetall("{t}:schedule:yearly"))
        assert stored[0][b"record"] == stored[1][b"record"]
        assert CANARY.encode() not in stored[0][b"record"]


def test_over_http_with_and_without_the_key(valkey: RedisServer) -> None:
    """What is submitted over HTTP is sealed; a process with the key shows it, one without says which it needs."""
    with running_api(valkey.url, env={"SHOAL_ENCRYPTION_KEYS": K1}) as keyed:
        task_id = keyed.submit("mail", {"secret": CANARY})
        first, second = keyed.batch(
            {"type": "mail", "payload": CANARY, "ref": "a"},
            {"type": "mail", "payload": CANARY, "depends_on": ["ref:a"]},
        ).json["results"]
        headers = {"Idempotency-Key": "once"}
        body = {"type": "mail", "payload": CANARY}
        again = [keyed.post(body, headers=headers).json["task_id"] for _ in range(2)]
        assert again[0] == again[1]
        for id_, payload in (
            (task_id, {"secret": CANARY}),
            (first["task_id"], CANARY),
            (second["task_id"], CANARY),
            (again[0], CANARY),
        ):
            assert keyed.task(id_)["payload"] == payload
        listed = keyed.get("/api/v1/tasks?include=payload").json["tasks"]
        assert len(listed) == 4
        assert all(CANARY in str(task["payload"]) for task in listed)
    with running_api(valkey.url) as unkeyed:
        assert unkeyed.task(task_id)["payload"] == "encrypted with key k1"
    with valkey.client() as redis:
        for key in redis.scan_iter("*"):
            assert CANARY.encode() not in redis.dump(key)


async def test_verify_needs_no_key(valkey: RedisServer) -> None:
    """The invariants are those of the keyspace: they are checked without reading a text."""
    async with client_on(valkey, **KEYED) as client, shard_on(valkey.url, application(), **KEYED):
        await (await client.submit("echo", CANARY)).result(10)
        waiting = await client.submit("echo", CANARY, delay=60)
        async with client_at(valkey.url) as unkeyed:
            report = await verify(await unkeyed.broker())
            assert report.ok, report.lines()
            assert (await unkeyed.handle(waiting.id).task()).payload == "encrypted with key k1"
