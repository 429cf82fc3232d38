"""A cluster of three masters with 16 partitions: every verb, the blocking twin, wake-ups, and a lost master."""

import pytest

from shoal.broker.broker import Broker
from shoal.broker.sync_broker import SyncBroker
from shoal.broker.verify import verify
from shoal.broker.wakeups import Wakeups
from shoal.errors import BrokerUnavailable
from shoal.model.transitions import State
from tests.support.builders import ME, OTHER, Scene, outcome
from tests.support.cluster import RedisCluster3
from tests.support.waiting import wait_until_async

PARTITIONS = 16
pytestmark = pytest.mark.timeout(120)


async def test_spread_evenly(cluster_scene: Scene) -> None:
    """The partitions spread evenly over the masters by their tags alone."""
    broker = cluster_scene.broker
    masters = [str(broker.node_of_partition(n).address) for n in range(PARTITIONS)]
    assert sorted(masters.count(master) for master in set(masters)) == [5, 5, 6]


async def test_every_verb(cluster_scene: Scene) -> None:
    """Each verb works in every partition, and readers merge them all."""
    scene, broker = cluster_scene, cluster_scene.broker
    for n in range(PARTITIONS):
        claims = await scene.running(*(f"{n} {word}" for word in "abcdef"), partition=n)
        by_word = {name.split()[1]: claim for name, claim in claims.items()}
        await scene.renew(*by_word.values(), partition=n)
        statuses = await scene.settle(
            outcome(by_word["a"]),
            outcome(by_word["b"], "failed"),
            outcome(by_word["c"], "dead", detail=b"no_luck:print"),
            outcome(by_word["d"], "returned"),
            outcome(by_word["e"], "deferred"),
            partition=n,
        )
        assert set(statuses) == {"ok"}
        assert (await broker.release(n, ME, "killed")).released == 1
        await scene.submit(f"{n} later", delay_s=60, partition=n)
        assert (await broker.recover(n, OTHER)).waiting_for_grace
        await broker.prune(n)
    everything = {
        State.COMPLETED: 1,
        State.FAILED: 1,
        State.DEAD: 1,
        State.PENDING: 2,
        State.SCHEDULED: 2,
    }
    counts = await broker.counts_by_state()
    assert {state: counts[state] // PARTITIONS for state in everything} == everything
    assert len((await broker.list_tasks(State.DEAD, limit=100)).rows) == PARTITIONS
    dead = [scene.id(f"{n} c") for n in range(PARTITIONS)]
    assert {row.status for row in await broker.requeue(dead, "op")} == {"requeued"}
    assert {row.status for row in await broker.cancel(dead)} == {"cancelled"}
    rows = await broker.inspect(dead)
    assert {row and row.state for row in rows} == {"CANCELLED"}
    assert await broker.depths() == [(0, 2, 0, 0)] * PARTITIONS
    assert await broker.pause("*")
    assert await broker.depths() == [(0, 0, 0, 0)] * PARTITIONS
    assert await broker.resume("*")


async def test_blocking_twin(cluster: RedisCluster3, cluster_scene: Scene) -> None:
    """Renew and release find each partition's master by themselves."""
    tokens = {}
    for n in range(PARTITIONS):
        claims = await cluster_scene.running(f"{n} a", f"{n} b", partition=n)
        tokens[n] = [(claim.id, claim.token) for claim in claims.values()]
    url = cluster.url.replace("redis://", "redis+cluster://")
    sync = SyncBroker(cluster_scene.broker.settings.replace(redis__url=url))
    try:
        renewed = sync.renew(tokens, ME)
        assert {row.status for row in renewed.values()} == {"ok"}
        assert [row.lost for row in renewed.values()] == [[]] * PARTITIONS
        assert sync.release(ME, "killed").tasks == 2 * PARTITIONS
        assert sync.ping() < 1
    finally:
        sync.close()


async def test_blocking_twin_while_a_master_is_away(
    cluster: RedisCluster3, cluster_scene: Scene
) -> None:
    """The leases at the other masters are renewed all the same, also when it is the one that was named."""
    tokens = {}
    for n in range(PARTITIONS):
        claims = await cluster_scene.running(f"{n} a", partition=n)
        tokens[n] = [(claim.id, claim.token) for claim in claims.values()]
    its = {
        n
        for n in range(PARTITIONS)
        if cluster_scene.broker.node_of_partition(n).address.port == cluster.nodes[0].port
    }
    url = cluster.url.replace("redis://", "redis+cluster://")
    sync = SyncBroker(cluster_scene.broker.settings.replace(redis__url=url))
    try:
        assert sync.renew(tokens, ME).keys() == tokens.keys()
        with cluster.nodes[0].client() as client:
            client.config_set("appendfsync", "always")
        cluster.kill(0)
        for _ in range(3):
            assert sync.renew(tokens, ME).keys() == tokens.keys() - its
        cluster.restart(0)
        renewed = sync.renew(tokens, ME)
        assert renewed.keys() == tokens.keys()
        assert [row.lost for row in renewed.values()] == [[]] * PARTITIONS
    finally:
        sync.close()
    await _all_there(cluster_scene.broker)


async def _all_there(broker: Broker) -> None:
    async def all_there() -> bool:
        try:
            return len(await broker.depths()) == PARTITIONS
        except BrokerUnavailable:
            return False

    await wait_until_async(all_there, "every partition answers")


async def test_wake_ups_of_all_masters(cluster_scene: Scene) -> None:
    """One subscriber hears of every partition, whichever master has it."""
    scene = cluster_scene
    async with Wakeups(scene.broker, ME) as wakeups:
        subscribed = [await anext(wakeups) for _ in range(2 * PARTITIONS)]
        assert {signal.kind for signal in subscribed} == {"subscribed"}
        for n in range(PARTITIONS):
            await scene.claim(ME, sleep_s=10, partition=n)
            await scene.submit(f"{n}", partition=n)
        heard = [await anext(wakeups) for _ in range(PARTITIONS)]
        assert sorted(signal.partition for signal in heard) == list(range(PARTITIONS))
        assert {signal.kind for signal in heard} == {"wake"}


async def test_scripts_lost_on_one_master(cluster_scene: Scene) -> None:
    """A master that has lost its scripts is given them again, unnoticed."""
    for n in range(PARTITIONS):
        cluster_scene.client(n).script_flush()
    for n in range(PARTITIONS):
        assert len(await cluster_scene.running(f"{n}", partition=n)) == 1


async def test_one_master_away(cluster: RedisCluster3, cluster_scene: Scene) -> None:
    """While one master is away its partitions are unavailable and the others go on; then all do, by themselves."""
    scene, broker = cluster_scene, cluster_scene.broker
    for n in range(PARTITIONS):
        await scene.submit(f"{n}", partition=n)
    for node in cluster.nodes:
        with node.client() as client:
            client.config_set("appendfsync", "always")
    for n in range(PARTITIONS):
        await scene.submit(f"{n} too", partition=n)
    away = str(broker.node_of_partition(0).address)
    index = [f"127.0.0.1:{port}" for port in cluster.ports].index(away)
    theirs = {n for n in range(PARTITIONS) if str(broker.node_of_partition(n).address) == away}
    cluster.kill(index)
    for n in range(PARTITIONS):
        if n in theirs:
            with pytest.raises(BrokerUnavailable):
                await scene.claim(partition=n, number=1)
        else:
            assert len((await scene.claim(partition=n, number=1)).claims) == 2
    cluster.restart(index)

    await _all_there(broker)
    for n in theirs:
        assert len((await scene.claim(partition=n, number=1)).claims) == 2


async def test_verify(cluster_scene: Scene) -> None:
    """`verify` reads each partition where it is, and says in which one a fault is."""
    scene = cluster_scene
    for n in range(PARTITIONS):
        await scene.submit(f"{n}", partition=n)
    report = await verify(scene.broker)
    assert (report.ok, report.tasks) == (True, PARTITIONS)
    scene.client(11).hincrby(scene.key("ready", 11), "default:1", 1)
    (finding,) = (await verify(scene.broker)).findings
    assert (finding.code, finding.partition) == ("ready_differs", 11)
    scene.client(11).hincrby(scene.key("ready", 11), "default:1", -1)
