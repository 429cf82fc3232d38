"""What operators leave behind: the audit log, wishes for workers, operations that all can look at."""

from collections.abc import Callable
from typing import Any

import pytest

from shoal.broker.audit import MAX_ENTRIES, AuditLog, AuditRecord
from shoal.broker.registry import Registry
from shoal.broker.tracked import OperationRecord, OperationStore, Progress
from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from shoal.model.selection import BulkVerb, Selection
from shoal.model.transitions import State
from tests.integration.broker.test_registry import record as worker_record
from tests.support.builders import Scene

SELECTION = Selection(states=(State.DEAD,), type="mail")


def operation(operation_id: str = "op-1", verb: BulkVerb = BulkVerb.REQUEUE) -> OperationRecord:
    """A wish."""
    return OperationRecord(
        id=operation_id, verb=verb, selection=SELECTION, reason="requested", by="key:a"
    )


async def test_the_audit_log_is_read_backwards(scene: Scene) -> None:
    """Newest first, page by page; it keeps what there is to know."""
    log = AuditLog(scene.broker)
    assert await log.read() == []
    for number in range(5):
        await log.add(AuditRecord(who="key:a", action="queue.purge", target=str(number)))
    await log.add(AuditRecord(who="cli:a@b", action="x", detail={"n": 1}, outcome="forbidden"))
    first = await log.read(3)
    assert first[0].record == AuditRecord(
        who="cli:a@b", action="x", detail={"n": 1}, outcome="forbidden"
    )
    rest = await log.read(10, first[-1].id)
    assert [entry.record.target for entry in (*first[1:], *rest)] == ["4", "3", "2", "1", "0"]
    assert abs(first[0].at_ms - scene.now_ms()) < 5000


async def test_the_audit_log_is_capped(scene7: Scene) -> None:
    """The oldest go."""
    pipe = scene7.client().pipeline()
    for number in range(MAX_ENTRIES + 300):
        pipe.xadd("{t}:audit", {"r": '{"who":"a","action":"b"}'}, id=f"1-{number + 1}")
    pipe.execute()
    await AuditLog(scene7.broker).add(AuditRecord(who="a", action="b" * 5, target="x" * 5000))
    assert MAX_ENTRIES <= scene7.client().xlen("{t}:audit") < MAX_ENTRIES + 200
    [entry] = await AuditLog(scene7.broker).read(1)
    assert len(entry.record.target) == 400


async def test_a_wish_is_told_by_the_heartbeat(scene: Scene) -> None:
    """Pause, resume, shutdown; a shutdown is not taken back, and nobody who is not there is told."""
    registry = Registry(scene.broker)
    assert await registry.wish("web-0", "paused") == "not_found"
    assert await registry.find("web-0") is None
    await registry.take_name(worker_record())
    assert await registry.wish("web-0", "") == "same"
    assert await registry.wish("web-0", "paused") == "changed"
    assert await registry.wish("web-0", "paused") == "same"
    assert (await registry.beat(worker_record())).desired == "paused"
    assert await registry.wish("web-0", "") == "changed"
    assert (await registry.beat(worker_record())).desired == ""
    assert await registry.wish("web-0", "shutdown") == "changed"
    assert await registry.wish("web-0", "") == "shutting_down"
    found = await registry.find("web-0")
    assert found is not None
    assert (found.record, found.desired, found.left) == (worker_record(), "shutdown", "")
    await registry.leave(worker_record().incarnation, "shutdown")
    gone = await registry.find("web-0")
    assert gone is not None
    assert gone.left == "shutdown"
    assert gone.left_ms is not None
    assert await registry.wish("web-0", "paused") == "not_found"


async def test_an_operation_is_known_to_all(scene: Scene) -> None:
    """Begun once; its id stands for one wish; who carries it on says so, and another waits."""
    store = OperationStore(scene.broker)
    assert await store.find("op-1") is None
    assert await store.open(operation()) == "new"
    assert await store.open(operation()) == "known"
    assert await store.open(operation(verb=BulkVerb.CANCEL)) == "conflict"
    assert await store.beat("op-1", "a") == "go"
    assert await store.beat("op-1", "b") == "taken"
    assert await store.beat("op-1", "a", Progress({"requeued": 3}, 4, 1)) == "go"
    found = await store.find("op-1")
    assert found is not None
    assert found.record == operation()
    document = found.to_json()
    assert (document["state"], document["tasks"], document["progress"]) == ("running", 3, 0.25)
    assert found.is_idle is False
    assert await store.stop("op-1") is True
    assert await store.beat("op-1", "a") == "stop"
    await store.end("op-1", "stopped", Progress({"requeued": 3}, 4, 1))
    assert await store.stop("op-1") is False
    assert await store.stop("op-2") is None
    assert await store.beat("op-1", "a") == "ended"
    assert await store.beat("op-2", "a") == "gone"
    assert await store.open(operation()) == "known"
    assert await store.beat("op-1", "b") == "go"
    await store.end("op-1", "finished", Progress({"requeued": 9}, 4, 4))
    assert await store.open(operation()) == "known"
    assert await store.running() == []
    (newest,) = await store.newest()
    assert (newest.state, newest.to_json()["progress"]) == ("finished", 1.0)


async def test_another_goes_on_after_a_silence(scene7: Scene) -> None:
    """Of ten seconds."""
    store = OperationStore(scene7.broker)
    await store.open(operation())
    await store.beat("op-1", "a")
    client = scene7.client()
    client.hset("{t}:operation:op-1", "beat", scene7.now_ms() - 10_001)
    (found,) = await store.running()
    assert found.is_idle
    assert await store.beat("op-1", "b") == "go"
    assert await store.beat("op-1", "a") == "taken"


@pytest.mark.parametrize("count", [1100])
async def test_not_more_operations_than_may_be(scene7: Scene, count: int) -> None:
    """The oldest are forgotten."""
    scene7.client().zadd("{t}:operations", {f"old-{n}": scene7.now_ms() - n for n in range(count)})
    await OperationStore(scene7.broker).open(operation())
    assert scene7.client().zcard("{t}:operations") == 1000
    assert [one.record.id for one in await OperationStore(scene7.broker).newest()] == ["op-1"]


@pytest.mark.parametrize(
    ("plant", "code", "says"),
    [
        (lambda c: c.hdel("{t}:operation:op-1", "record"), Code.BAD_OPERATION, "no record"),
        (lambda c: c.hset("{t}:operation:op-1", "record", "{}"), Code.BAD_OPERATION, "can't be"),
        (lambda c: c.hset("{t}:operation:op-1", "progress", "x"), Code.BAD_OPERATION, "can't be"),
        (lambda c: c.hset("{t}:operation:op-1", "digest", "x"), Code.BAD_OPERATION, "digest"),
        (lambda c: c.hset("{t}:operation:op-1", "state", "x"), Code.BAD_OPERATION, "state"),
        (lambda c: c.zrem("{t}:operations", "op-1"), Code.BAD_OPERATION, "not among"),
        (lambda c: c.persist("{t}:operation:op-1"), Code.UNBOUNDED_KEY, "expire"),
        (lambda c: c.xadd("{t}:audit", {"r": "{}"}), Code.BAD_AUDIT, "can't be read"),
        (lambda c: c.xadd("{t}:audit", {"x": "{}"}), Code.BAD_AUDIT, "can't be read"),
    ],
)
async def test_verify_finds(
    scene7: Scene, plant: Callable[..., Any], code: Code, says: str
) -> None:
    """An operation that nobody could go on with, and an entry of the audit log that says nothing."""
    scene7.leaves_faults = True
    await OperationStore(scene7.broker).open(operation())
    await AuditLog(scene7.broker).add(AuditRecord(who="a", action="b"))
    assert (await verify(scene7.broker)).ok
    plant(scene7.client())
    [finding] = (await verify(scene7.broker)).findings
    assert finding.code is code
    assert says in finding.sentence
