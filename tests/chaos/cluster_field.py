"""A cluster of six nodes with a host at work, and submissions to one of its partitions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shoal.broker.broker import Broker
from shoal.clock import wall_ms
from shoal.errors import BrokerUnavailable
from shoal.model.identity import task_id
from tests.chaos.load import Load
from tests.support.binaries import Kind
from tests.support.checker import Submitted
from tests.support.cluster import RedisCluster3

PARTITIONS = 16
NODE_TIMEOUT_MS = 1000


@contextmanager
def six_nodes(kind: Kind) -> Iterator[RedisCluster3]:
    """Three masters with a replica each, that answer once they have written."""
    cluster = RedisCluster3(kind, replicas=True, node_timeout_ms=NODE_TIMEOUT_MS)
    for node in cluster.nodes:
        node.configure(appendfsync="always")
    with cluster:
        yield cluster


async def submit_to(load: Load, partition: int, sequence: int) -> bool:
    """One submission to a partition; whether it was accepted."""
    made = task_id(partition, wall_ms(), sequence)
    try:
        await load.client.submit("work", 0.0, task_id=made)
    except BrokerUnavailable as error:
        told = Submitted(made, "unknown" if error.outcome_unknown else "failed")
        load.submissions.told.append(told)
        return False
    load.submissions.told.append(Submitted(made))
    return True


def by_master(broker: Broker) -> dict[int, list[int]]:
    """The partitions of each master, by its port."""
    found: dict[int, list[int]] = {}
    for n in range(PARTITIONS):
        found.setdefault(broker.node_of_partition(n).address.port, []).append(n)
    return found
