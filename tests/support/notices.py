"""Notices of dependencies, delivered by the test in the place of a shard."""

from random import Random
from typing import Any

from shoal.shard.outbox import Outbox
from shoal.telemetry import metrics
from tests.support.builders import Scene


class Everything:
    """A share that has all partitions."""

    def __init__(self, partitions: int) -> None:
        self.own = frozenset(range(partitions))


def outbox_of(scene: Scene) -> Outbox:
    """What delivers, as a shard that has all partitions makes it."""
    share: Any = Everything(scene.broker.partitions)
    return Outbox(scene.broker, share, metrics=metrics.current(), rng=Random(1))


async def deliver(scene: Scene) -> None:
    """Deliver all notices that are due, until none comes."""
    outbox = outbox_of(scene)
    while any([await outbox.run_once(n) for n in range(scene.broker.partitions)]):
        pass
