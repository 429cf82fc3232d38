"""Which partitions this shard serves first, and which it keeps in touch with.

Only an optimisation: safety never depends on who thinks what is whose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from shoal.model.identity import ISOLATION_INDEX, slot_label
from shoal.model.partition import assign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shoal.broker.registry import Registry

#: Up to so many partitions every shard is in touch with all of them.
TOUCH_ALL: Final = 16


_ISOLATION: Final = f"-{slot_label(ISOLATION_INDEX)}"


class Share(NamedTuple):
    """What one worker has of the partitions."""

    #: What it serves first.
    own: frozenset[int]
    #: What it tells Redis it is in contact with.
    touched: tuple[int, ...]


def share_of(name: str, live: Sequence[str], partitions: int) -> Share:
    """The share of worker ``name``, who counts as live whether or not ``live`` names it."""
    names = sorted({*live, name})
    assigned = assign(partitions, names)
    own = frozenset(assigned[name])
    if partitions <= TOUCH_ALL:
        return Share(own, tuple(range(partitions)))
    # The successor's too, so that a partition whose only owner dies was never out of contact.
    successor = names[(names.index(name) + 1) % len(names)]
    return Share(own, tuple(sorted({*own, *assigned[successor]})))


class Slice:
    """This shard's share, by the live workers as last seen."""

    def __init__(self, registry: Registry, name: str, partitions: int) -> None:
        """Until ``run_once`` has read who is live, this shard serves everything."""
        self._registry = registry
        self._name = name
        self._partitions = partitions
        self._seen: list[str] = []
        #: How many live workers there are, this one included.
        self.live = 1
        self.own = frozenset(range(partitions))
        #: Read by the renew thread; replaced whole.
        self.touched = share_of(name, (), partitions).touched

    async def run_once(self) -> int:
        """Read who is live; returns how many are.

        Raises:
            BrokerUnavailable: Redis is away; the share stays as it was.
        """
        # An isolation shard serves no partition of its own.
        names = [
            name for name in await self._registry.live_names() if not name.endswith(_ISOLATION)
        ]
        if names != self._seen:
            self._seen = names
            self.own, self.touched = share_of(self._name, names, self._partitions)
            self.live = len({*names, self._name})
        return self.live
