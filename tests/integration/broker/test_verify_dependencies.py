"""`verify` finds what would leave a task waiting for ever, and retention that nothing would carry out."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from tests.integration.broker.conftest import scene_on
from tests.support.builders import Scene, outcome, submission
from tests.support.servers import RedisServer

Fault = Callable[[Scene], object]


@pytest_asyncio.fixture
async def woven(redis7: RedisServer) -> AsyncIterator[Scene]:
    """Tasks that wait here and elsewhere, a parent that has ended untold, and ended tasks with a retention."""
    async with scene_on(redis7, partitions=2) as scene:
        claims = await scene.running("ended", "kept", "forgotten", retention_s=60)
        await scene.submit("parent")
        await scene.submit("away", partition=1)
        waiting = {
            "child": ("parent",),
            "of the ended": ("ended",),
            "of two": ("parent", "ended"),
        }
        for name, parents in waiting.items():
            tokens = tuple(scene.id(parent) for parent in parents)
            await scene.broker.submit(0, [submission(scene.id(name), parents=tokens)])
        far = submission(scene.id("far"), parents=(scene.id("away", 1) + "?",), delay_s=60)
        await scene.broker.submit(0, [far])
        await scene.settle(*(outcome(claim) for claim in claims.values()))
        yield scene


def raw(command: str, key: str, *arguments: object) -> Fault:
    """Any one command on a key; ``@name`` stands for a task's id."""

    def plant(scene: Scene) -> None:
        def said(word: object) -> object:
            return scene.id(word[1:]) if isinstance(word, str) and word.startswith("@") else word

        head, _, name = key.partition("@")
        full = scene.key("") + head + (scene.id(name) if name else "")
        scene.client().execute_command(command, full, *map(said, arguments))

    return plant


def notice_lost(kind: str) -> Fault:
    """A notice that is gone."""

    def plant(scene: Scene) -> None:
        key = scene.key("outbox")
        for notice in scene.client().zrange(key, 0, -1):
            if notice.decode().startswith(kind):
                scene.client().zrem(key, notice)

    return plant


FAULTS: list[tuple[str, Fault, Code]] = [
    ("nothing to wait for", raw("DEL", "waiting:@child"), Code.INDEX_MISSING),
    ("waits and is due", raw("ZADD", "scheduled", 1_700_000_000_000, "@child"), Code.WAITING_WRONG),
    ("waits and has ended", raw("SADD", "waiting:@ended", "@parent"), Code.WAITING_WRONG),
    ("parent does not know", raw("ZREM", "dependents:@parent", "@child"), Code.WAITING_LOST),
    ("waits for nobody", raw("SADD", "waiting:@child", "@nobody"), Code.WAITING_LOST),
    ("waits for no id", raw("SADD", "waiting:@child", "x"), Code.WAITING_LOST),
    ("watch lost", notice_lost("watch"), Code.WAITING_LOST),
    ("finished lost", notice_lost("finished"), Code.NOTICE_MISSING),
    ("parent gone untold", raw("DEL", "task:@parent"), Code.NOTICE_MISSING),
    ("parent would not tell", raw("HDEL", "task:@parent", "ends"), Code.NOTICE_MISSING),
    ("no notice", raw("ZADD", "outbox", 1, "hello"), Code.BAD_NOTICE),
    ("notice with a strange state", raw("ZADD", "outbox", 1, "finished x"), Code.BAD_NOTICE),
    ("dependent elsewhere", raw("ZADD", "dependents:@parent", 1, "@child"), Code.BAD_DEPENDENT),
    ("not expiring", raw("ZREM", "expiring", "@kept"), Code.INDEX_MISSING),
    ("expiring while it waits", raw("ZADD", "expiring", 1_900_000_000_000, "@child"), Code.INDEX_WRONG),
    ("ended for ever", raw("PERSIST", "ended:@ended"), Code.UNBOUNDED_KEY),
]  # fmt: skip


@pytest.mark.parametrize(
    ("plant", "code"), [row[1:] for row in FAULTS], ids=[row[0].replace(" ", "-") for row in FAULTS]
)
async def test_planted_fault(woven: Scene, plant: Fault, code: Code) -> None:
    """A sound graph has no finding; the planted fault is one, with its key and a sentence."""
    report = await verify(woven.broker)
    assert report.ok, report.lines()
    plant(woven)
    report = await verify(woven.broker)
    found = [finding for finding in report.findings if finding.code is code]
    assert found, report.lines()
    assert found[0].partition == 0
    assert found[0].sentence
    woven.leaves_faults = True


async def test_a_task_gone_before_its_own_retention(woven: Scene) -> None:
    """What another retention or an operator removed first is no finding."""
    woven.client().zadd(woven.key("expiring"), {woven.id("gone before"): 1_900_000_000_000})
    report = await verify(woven.broker)
    assert report.ok, report.lines()
