"""Any graph of tasks, whatever their outcomes are, wherever they stand and whoever dies in between, ends."""

import asyncio
from dataclasses import dataclass
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.broker.outbox import Outboxes
from shoal.broker.results import OutcomeWord
from shoal.submission import SubmitOptions, make_plan
from shoal.submitter import Submitter
from tests.integration.broker.conftest import scene_on
from tests.support.builders import ME, Scene, outcome
from tests.support.notices import deliver
from tests.support.servers import RedisServer

PARTITIONS = 3
_STATES: dict[OutcomeWord, str] = {
    "completed": "COMPLETED",
    "dead": "DEAD",
    "cancelled": "CANCELLED",
}
_namespaces = count()


@dataclass(frozen=True)
class Vertex:
    """One task: where it stands, whom it waits for, how its run ends, and what happens after it is submitted."""

    partition: int
    parents: frozenset[int]
    runs_anyway: bool
    word: OutcomeWord
    then: str


@st.composite
def graphs(draw: st.DrawFn) -> list[Vertex]:
    """Up to nine tasks, each after its parents."""
    size = draw(st.integers(1, 9))
    return [
        Vertex(
            draw(st.integers(0, PARTITIONS - 1)),
            draw(st.frozensets(st.integers(0, n - 1), max_size=4)) if n else frozenset(),
            draw(st.booleans()),
            draw(st.sampled_from(sorted(_STATES))),
            draw(st.sampled_from(["", "work", "deliver", "crash"])),
        )
        for n in range(size)
    ]


def expected(graph: list[Vertex]) -> list[str]:
    """How each task ends, by the rules and nothing else."""
    out: list[str] = []
    for vertex in graph:
        sound = all(out[parent] == "COMPLETED" for parent in vertex.parents)
        out.append(_STATES[vertex.word] if sound or vertex.runs_anyway else "CANCELLED")
    return out


async def work(scene: Scene, words: dict[bytes, OutcomeWord]) -> int:
    """Run all that is ready."""
    ran = 0
    for partition in range(PARTITIONS):
        claims = (await scene.claim(ME, 256, partition=partition)).claims
        if claims:
            await scene.settle(
                *(outcome(claim, words[claim.id]) for claim in claims), partition=partition
            )
        ran += len(claims)
    return ran


async def crash(scene: Scene) -> None:
    """Somebody takes the notices, delivers a part of each, and dies."""
    outboxes = Outboxes(scene.broker)
    for partition in range(PARTITIONS):
        for notice in (await outboxes.take(partition, 0.0)).notices:
            if notice.kind == "watch":
                await outboxes.watch(int(notice.parent[15:18], 16), [(notice.parent, notice.child)])
            else:
                step = await outboxes.dependents(partition, notice, 0, ())
                if step.status == "slice":
                    ends = [(notice.parent, notice.state, step.ids[0])]
                    await outboxes.resolve(step.partition, ends)
                await outboxes.later(partition, [notice], 0.0)


async def play(scene: Scene, graph: list[Vertex]) -> list[str]:
    """Submit the graph, with what happens in between, and let it end. The states of its tasks."""
    submitter = Submitter(scene.broker, 1.0)
    ids: list[str] = []
    words: dict[bytes, OutcomeWord] = {}
    for n, vertex in enumerate(graph):
        ids.append(scene.id(f"t{n}", vertex.partition))
        words[ids[n].encode()] = vertex.word
        options: SubmitOptions = {
            "task_id": ids[n],
            "depends_on": [ids[parent] for parent in sorted(vertex.parents)],
            "on_dependency_failure": "run" if vertex.runs_anyway else "cancel",
        }
        plan = make_plan("mail", options, 0.0)
        assert await submitter.one(plan, plan.header + b"1") == ids[n]
        assert await submitter.one(plan, plan.header + b"1") == ids[n]
        if vertex.then == "work":
            await work(scene, words)
        elif vertex.then == "deliver":
            await deliver(scene)
        elif vertex.then == "crash":
            await crash(scene)
    await deliver(scene)
    while await work(scene, words):
        await deliver(scene)
    rows = await scene.broker.inspect(ids)
    assert not [name for n in range(PARTITIONS) for name in left_of(scene, n)]
    return [row.state for row in rows if row is not None]


def left_of(scene: Scene, partition: int) -> list[str]:
    """Keys of dependencies that stand when nothing waits."""
    prefixes = ("waiting:", "dependents:", "outbox")
    return [path for path in scene.state(partition) if path.startswith(prefixes)]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(graph=graphs())
def test_every_graph_ends(redis7: RedisServer, graph: list[Vertex]) -> None:
    """No task waits for ever, each ends as the rules say, and nothing is left behind."""

    async def run() -> None:
        namespace = f"g{next(_namespaces)}"
        async with scene_on(redis7, partitions=PARTITIONS, namespace=namespace) as scene:
            assert await play(scene, graph) == expected(graph)
            for node in scene.broker.topology.nodes():
                await node.call("FLUSHALL")

    asyncio.run(run())
