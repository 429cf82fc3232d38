"""`verify` finds nothing in a sound partition, and each fault that is planted in it."""

import json
from collections.abc import Callable

import pytest

from shoal.broker.keys import unique_digest
from shoal.broker.results import Blame, Charge
from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from shoal.model.transitions import State
from tests.support.builders import ME, OTHER, THIRD, Scene, outcome, submission

Fault = Callable[[Scene], object]
ALREADY = "00000000-0000-7000-8000-000000000000"


async def populate(scene: Scene) -> None:
    """Tasks in every state, handed back, with unique keys, of two types, and idle workers."""
    poison = (await scene.running("poison", type="poison", incarnation=THIRD))["poison"]
    blame = Blame("killed by SIGSEGV", (Charge(0, poison.token, poison.type),))
    await scene.broker.release(0, THIRD, "crashed", blame)
    await scene.running("lost", "lost too", incarnation=OTHER)
    claims = await scene.running("completed", "failed", "dead", "cancelled", "deferred")
    await scene.running("report", type="report", priority=2, unique_key="report")
    await scene.settle(
        outcome(claims["completed"]),
        outcome(claims["failed"], "failed"),
        outcome(claims["dead"], "dead", detail=b"no_luck:print"),
        outcome(claims["cancelled"], "cancelled"),
        outcome(claims["deferred"], "deferred"),
    )
    await scene.ended("completed", "completed report", type="report", priority=3)
    await scene.broker.release(0, OTHER, "killed")
    await scene.submit("scheduled", delay_s=60, unique_key="scheduled")
    await scene.submit("pending", "pending too", unique_key=None)
    await scene.submit("unique", unique_key="k", priority=0)
    await scene.claim(ME, want=0, sleep_s=10)
    await scene.claim("w-7.cccccc", want=0, sleep_s=10, queues=("default",))


def hincrby(key: str, field: str, by: int) -> Fault:
    """A counter that is off."""
    return lambda scene: scene.client().hincrby(scene.key(key), field, by)


def zadd(key: str, task: str, score: int = 1_700_000_000_000) -> Fault:
    """A task in a zset where it does not belong."""
    return lambda scene: scene.client().zadd(scene.key(key), {scene.id(task): score})


def zrem(key: str, task: str) -> Fault:
    """A task that is missing in its zset."""
    return lambda scene: scene.client().zrem(scene.key(key), scene.id(task))


def hset(task: str, field: str, value: str) -> Fault:
    """A field of a task's hash that is wrong."""
    return lambda scene: scene.client().hset(scene.key(f"task:{task}"), field, value)


def log(task: str, text: str) -> Fault:
    """A task's log as no script writes it."""
    return lambda scene: scene.client().hset(
        scene.key(f"task:{task}"), mapping={"log": text, "logged": "default:1/1-0/1 1"}
    )


def entry_of(scene: Scene, task: str) -> tuple[str, str]:
    """The stream's key and the entry id where a task stands."""
    place = scene.client().hget(scene.key(f"task:{task}"), "entry").decode()
    stream, _, entry = place.partition("/")
    return scene.key(f"stream:{stream}"), entry


def entry_lost(task: str) -> Fault:
    """A task without its entry."""

    def plant(scene: Scene) -> None:
        key, entry = entry_of(scene, task)
        scene.client().xdel(key, entry)

    return plant


def second_entry(task: str, type: str = "mail") -> Fault:
    """One more entry for a task."""
    return lambda scene: scene.client().xadd(
        scene.key("stream:default:1"), {"i": scene.id(task), "y": type}
    )


def done_again(scene: Scene) -> None:
    """An id that is journaled twice, in both journals."""
    client, task = scene.client(), scene.id("completed")
    at = client.xadd(scene.key("done"), {"i": task, "y": "mail*1"})
    client.xadd(scene.key("done:mail"), {"i": task}, id=at)


def done_lost(scene: Scene) -> None:
    """A journal entry that is gone."""
    client = scene.client()
    for key in ("done", "done:mail"):
        ((entry, _),) = client.xrange(scene.key(key), count=1)
        client.xdel(scene.key(key), entry)


def type_journal_lost(scene: Scene) -> None:
    """An entry that only the journal of its type has lost."""
    scene.client().delete(scene.key("done:mail"))


def type_journal_differs(scene: Scene) -> None:
    """An entry in the journal of a type that names another task."""
    client, key = scene.client(), scene.key("done:mail")
    ((entry, _),) = client.xrange(key)
    client.delete(key)
    client.xadd(key, {"i": scene.id("completed report")}, id=entry)


def drop_hash(task: str) -> Fault:
    """A task whose hash is gone."""
    return lambda scene: scene.client().delete(scene.key(f"task:{task}"))


def group_lost(scene: Scene) -> None:
    """A stream without its consumer group."""
    scene.client().xgroup_destroy(scene.key("stream:default:0"), "shoal")


def silent(scene: Scene) -> None:
    """A worker that nobody has heard for four leases, while others work."""
    scene.silence(ME, 12_000)


def raw(command: str, key: str, *arguments: object) -> Fault:
    """Any one command on a key."""
    return lambda scene: scene.client().execute_command(command, scene.key(key), *arguments)


def unique(key: str) -> str:
    """The name of a unique key."""
    return f"unique:{unique_digest(key)}"


FAULTS: list[tuple[str, Fault, Code]] = [
    ("a log without its number of lines", hset("completed", "log", "x\n"), Code.BAD_NOTES),
    ("a number of lines without a log", hset("dead", "logged", "t 1"), Code.BAD_NOTES),
    ("an endless progress report", hset("pending", "progress", "x" * 9000), Code.BAD_NOTES),
    ("an endless log", log("pending", "x\n" * 101), Code.BAD_NOTES),
    ("a log cut within a line", log("failed", "x\ny"), Code.BAD_NOTES),
    ("ready one too many", hincrby("ready", "default:1", 1), Code.READY_DIFFERS),
    ("ready one too few", hincrby("ready", "default:1", -1), Code.READY_DIFFERS),
    ("ready lost", raw("DEL", "ready"), Code.READY_DIFFERS),
    ("ready of an empty stream", hincrby("ready", "default:3", 1), Code.READY_DIFFERS),
    ("ready left at 0", raw("HSET", "ready", "default:3", 0), Code.READY_DIFFERS),
    ("returned one too many", hincrby("ready", "default:1:returned", 1), Code.READY_DIFFERS),
    ("returned one too few", hincrby("ready", "default:1:returned", -1), Code.READY_DIFFERS),
    ("isolated one too many", hincrby("ready", "default:1:isolated", 1), Code.READY_DIFFERS),
    ("isolated one too few", hincrby("ready", "default:1:isolated", -1), Code.READY_DIFFERS),
    ("isolated types not counted", raw("HSET", "isolated_types", "x", 1), Code.READY_DIFFERS),
    ("a charged task among others", hset("pending", "crashes", "1"), Code.NOT_ISOLATED),
    ("charges for ever", raw("PERSIST", "charges"), Code.UNBOUNDED_KEY),
    ("PENDING of a type", hincrby("counts", "PENDING:mail", 1), Code.COUNTS_DIFFER),
    ("PENDING", hincrby("counts", "PENDING", -1), Code.COUNTS_DIFFER),
    ("RUNNING", hincrby("counts", "RUNNING", 1), Code.COUNTS_DIFFER),
    ("COMPLETED", hincrby("counts", "COMPLETED:report", -1), Code.COUNTS_DIFFER),
    ("DEAD of a type nobody has", hincrby("counts", "DEAD:other", 1), Code.COUNTS_DIFFER),
    ("entry without hash", drop_hash("pending"), Code.ENTRY_WITHOUT_TASK),
    ("running entry without hash", drop_hash("report"), Code.ENTRY_WITHOUT_TASK),
    ("hash without entry", entry_lost("pending"), Code.TASK_WITHOUT_ENTRY),
    ("pending without entry", entry_lost("report"), Code.PENDING_WITHOUT_ENTRY),
    ("two entries", second_entry("pending"), Code.SECOND_ENTRY),
    ("entry of a COMPLETED task", second_entry("completed"), Code.ENTRY_OF_IDLE_TASK),
    ("entry of a FAILED task", second_entry("failed"), Code.ENTRY_OF_IDLE_TASK),
    ("entry that is none", raw("XADD", "stream:default:1", "*", "a", "b"), Code.BAD_ENTRY),
    ("no group", group_lost, Code.NO_GROUP),
    ("queue not listed", raw("SREM", "queues", "default"), Code.QUEUE_UNLISTED),
    ("type differs", hset("pending", "type", "report"), Code.TYPE_DIFFERS),
    ("no type", raw("HDEL", "task:pending", "type"), Code.BAD_TASK),
    ("no such state", hset("dead", "state", "ZOMBIE"), Code.BAD_TASK),
    ("names an entry of another", hset("pending", "entry", "default:1/1-1"), Code.TASK_WITHOUT_ENTRY),
    ("id twice in the journal", done_again, Code.JOURNAL_REPEATED),
    ("not in the journal", done_lost, Code.JOURNAL_MISSING),
    ("not in its type's journal", type_journal_lost, Code.JOURNAL_DIFFERS),
    ("another in its type's journal", type_journal_differs, Code.JOURNAL_DIFFERS),
    ("journal of another form", raw("XADD", "done", "*", "i", "short", "y", "mail*1"), Code.BAD_JOURNAL),
    ("journal has another type", hset("completed", "type", "report"), Code.TYPE_DIFFERS),
    ("not in the index", zrem("index:DEAD", "dead"), Code.INDEX_MISSING),
    ("not in the index of its type", zrem("index:CANCELLED:mail", "cancelled"), Code.INDEX_MISSING),
    ("not in the index of its error", zrem("fingerprint:print", "dead"), Code.INDEX_MISSING),
    ("not scheduled", zrem("scheduled", "failed"), Code.INDEX_MISSING),
    ("scheduled at another time", zadd("scheduled", "scheduled"), Code.INDEX_WRONG),
    ("scheduled although ready", zadd("scheduled", "pending"), Code.INDEX_WRONG),
    ("indexed in another state", zadd("index:FAILED", "dead"), Code.INDEX_WRONG),
    ("indexed under another type", zadd("index:DEAD:report", "dead"), Code.INDEX_WRONG),
    ("indexed under another error", zadd("fingerprint:other", "dead"), Code.INDEX_WRONG),
    ("indexed and gone", zadd("index:DEAD", "nobody"), Code.INDEX_WRONG),
    ("unique key of nobody", raw("SET", unique("free"), ALREADY), Code.UNIQUE_ORPHAN),
    ("unique key lost", raw("DEL", unique("k")), Code.UNIQUE_NOT_HELD),
    ("consumer without a beat", raw("ZREM", "beats", ME), Code.WITHOUT_BEAT),
    ("sleeper without a beat", raw("ZREM", "beats", "w-7.cccccc"), Code.WITHOUT_BEAT),
    ("silent worker", silent, Code.SILENT),
    ("unknown key", raw("SET", "left_behind", 1), Code.UNKNOWN_KEY),
    ("task with an odd id", raw("HSET", "task-x", "spec", 1), Code.UNKNOWN_KEY),
    ("claim record for ever", raw("PERSIST", f"claimed:{ME}"), Code.UNBOUNDED_KEY),
]  # fmt: skip


@pytest.mark.parametrize(
    ("plant", "code"), [row[1:] for row in FAULTS], ids=[row[0].replace(" ", "-") for row in FAULTS]
)
async def test_planted_fault(scene7: Scene, plant: Fault, code: Code) -> None:
    """A sound partition has no finding; the planted fault is one, with its key and a sentence."""
    await populate(scene7)
    report = await verify(scene7.broker)
    assert report.ok, report.lines()
    plant(scene7)
    before = scene7.state()
    report = await verify(scene7.broker)
    assert code in {finding.code for finding in report.findings}, report.lines()
    assert not report.ok
    assert scene7.changes(before) == {}
    finding = next(finding for finding in report.findings if finding.code is code)
    assert finding.partition == 0
    assert finding.key.startswith("{t:0:")
    assert finding.sentence
    scene7.leaves_faults = True
    scene7.client().delete(*(scene7.key(name) for name in ("left_behind", "task-x")))


async def test_types_named_like_other_keys(scene7: Scene) -> None:
    """A type may have colons: its zsets and journals are nobody else's."""
    for kind in ("by:print", "DEAD:by:print", "by", "mail:report"):
        claims = await scene7.running(f"{kind} dead", f"{kind} done", type=kind)
        await scene7.settle(
            outcome(claims[f"{kind} dead"], "dead", detail=b"no_luck:print"),
            outcome(claims[f"{kind} done"]),
        )
    client = scene7.client()
    assert client.zcard(scene7.key("index:DEAD:by:print")) == 1
    assert client.zcard(scene7.key("fingerprint:print")) == 4
    report = await verify(scene7.broker)
    assert report.ok, report.lines()
    client.zadd(scene7.key("index:DEAD:by:print"), {scene7.id("by dead"): 1_700_000_000_000})
    report = await verify(scene7.broker)
    assert [finding.code for finding in report.findings] == [Code.INDEX_WRONG]
    client.zrem(scene7.key("index:DEAD:by:print"), scene7.id("by dead"))
    page = await scene7.broker.list_tasks(State.DEAD, type="by:print")
    assert [scene7.names.name(row.id) for row in page.rows] == ["by:print dead"]


async def test_unique_key_of_a_task_that_has_ended(scene7: Scene) -> None:
    """A unique key of a COMPLETED task, or of one that does not name it, is an orphan."""
    await populate(scene7)
    client = scene7.client()
    client.set(scene7.key(unique("a")), scene7.id("completed"))
    client.set(scene7.key(unique("b")), scene7.id("pending"))
    report = await verify(scene7.broker)
    assert [(f.code, f.key) for f in report.findings] == [
        (Code.UNIQUE_ORPHAN, key)
        for key in sorted((scene7.key(unique("a")), scene7.key(unique("b"))))
    ]
    scene7.leaves_faults = True


@pytest.mark.parametrize("key", ["done", "scheduled", "index:DEAD", "task:dead", "beats"])
async def test_wrong_type(scene7: Scene, key: str) -> None:
    """A key of a wrong type is a finding, and the rest of the partition is checked all the same."""
    await populate(scene7)
    scene7.client().delete(scene7.key(key))
    scene7.client().set(scene7.key(key), "text")
    scene7.client().hincrby(scene7.key("ready"), "default:1", 1)
    report = await verify(scene7.broker)
    codes = {finding.code for finding in report.findings}
    assert {Code.WRONG_TYPE, Code.READY_DIFFERS} <= codes
    scene7.leaves_faults = True


async def test_keys_of_the_namespace(scene7: Scene) -> None:
    """Unknown keys of the namespace, and partitions that nobody serves, are findings; other namespaces are not."""
    client = scene7.client()
    client.set("{t}:odd", 1)
    client.hset("{t}:worker:web-0", "record", 1)
    client.hset("{t:5:999}:task:x", "spec", 1)
    client.set("{t2}:odd", 1)
    client.set("{t2:0:1}:odd", 1)
    report = await verify(scene7.broker)
    assert sorted((f.code, f.partition, f.key) for f in report.findings) == [
        (Code.UNBOUNDED_KEY, None, "{t}:worker:web-0"),
        (Code.UNKNOWN_KEY, None, "{t}:odd"),
        (Code.UNSERVED_PARTITION, None, "{t:5:999}:task:x"),
    ]
    scene7.leaves_faults = True
    client.delete("{t}:odd", "{t:5:999}:task:x")


async def test_paused_partition(scene7: Scene) -> None:
    """A paused partition can't be read, and the report says so instead of calling it sound."""
    await scene7.broker.pause_partition(0)
    report = await verify(scene7.broker)
    assert (report.ok, list(report.skipped)) == (False, [0])
    await scene7.broker.resume_partition(0)


async def test_every_server(scene: Scene) -> None:
    """Every state at once is sound on every server, and a report is JSON."""
    await populate(scene)
    report = await verify(scene.broker)
    assert json.loads(json.dumps(report.as_dict())) == {
        "ok": True, "partitions": 1, "tasks": 14, "findings": [], "busy": [], "skipped": {},
    }  # fmt: skip
    scene.client().hincrby(scene.key("counts"), "DEAD", 1)
    report = await verify(scene.broker)
    assert json.loads(json.dumps(report.as_dict()))["findings"] == [
        {
            "code": "counts_differ",
            "partition": 0,
            "key": scene.key("counts"),
            "ids": ["DEAD"],
            "sentence": "DEAD is 2, and there are 1",
        }
    ]
    assert report.lines()[-1] == "14 tasks in 1 partitions: 1 findings"
    scene.client().hincrby(scene.key("counts"), "DEAD", -1)


async def test_many_slices(scene7: Scene) -> None:
    """Streams, indexes, journals and hashes longer than a slice are walked to their ends."""
    names = [f"t{n:04}" for n in range(1000)]
    for at in range(0, 1000, 250):
        await scene7.broker.submit(0, [submission(scene7.id(n)) for n in names[at : at + 250]])
    for word in ("completed", "dead"):
        for _ in range(2):
            claims = (await scene7.claim(want=150)).claims
            await scene7.settle(*(outcome(claim, word) for claim in claims))
    await scene7.claim(want=256)
    report = await verify(scene7.broker)
    assert (report.ok, report.tasks) == (True, 1000)
    last = scene7.client().zrange(scene7.key("index:DEAD"), -1, -1)[0].decode()
    scene7.client().delete(scene7.key("task:t0999"), f"{scene7.key('')}task:{last}")
    codes = {finding.code for finding in (await verify(scene7.broker)).findings}
    assert codes == {Code.ENTRY_WITHOUT_TASK, Code.INDEX_WRONG, Code.COUNTS_DIFFER}
    scene7.leaves_faults = True
