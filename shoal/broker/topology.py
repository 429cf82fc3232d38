"""Which server has which partition: one server for all, or a cluster's masters by slot."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import hiredis

from shoal.broker.address import Address
from shoal.broker.node import Node
from shoal.errors import BrokerUnavailable


def parse_slots(reply: list[Any], seed: Address) -> list[tuple[int, int, Address]]:
    """Masters by slot range from a reply of CLUSTER SLOTS; an empty host means the one that was asked."""
    ranges = []
    for first, last, master, *_ in reply:
        host = master[0].decode() if master[0] else seed.host
        ranges.append((int(first), int(last), seed.at(host, int(master[1]))))
    return ranges


class Topology:
    """The nodes of a deployment; call :meth:`open` before use.

    Args:
        seed: Where to begin.
        cluster: Whether the seed is a node of a Redis Cluster.
        timeout_s: The deadline of calls.
    """

    def __init__(self, seed: Address, *, cluster: bool, timeout_s: float) -> None:
        self.cluster = cluster
        self._seed = seed
        self._timeout_s = timeout_s
        self._nodes: dict[tuple[str, int, str | None], Node] = {}
        self._by_slot: list[Node | None] = []
        self._refreshing = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self.version = 0
        #: Set whenever the masters have changed; whoever waits for it clears its own.
        self.watchers: set[asyncio.Event] = set()

    async def open(self) -> None:
        """Connect to the server, or to every master.

        Raises:
            BrokerUnavailable: None can be reached.
        """
        if self.cluster:
            await self.refresh()
        else:
            await self._node(self._seed).connected()

    async def become_cluster(self) -> None:
        """The server turned out to be a node of a cluster, whatever its URL said: find its masters.

        Raises:
            BrokerUnavailable: They can't be found.
        """
        self.cluster = True
        await self.refresh()

    def node_of(self, slot: int) -> Node:
        """The node that has a slot.

        Raises:
            BrokerUnavailable: No master is known for it.
        """
        if not self.cluster:
            return self._node(self._seed)
        node = self._by_slot[slot] if self._by_slot else None
        if node is None:
            raise BrokerUnavailable(f"no master of the cluster has slot {slot}")
        return node

    def nodes(self) -> list[Node]:
        """Every master in use."""
        if not self.cluster:
            return [self._node(self._seed)]
        return list(dict.fromkeys(node for node in self._by_slot if node is not None))

    async def refresh(self, *, seen: int | None = None) -> None:
        """Ask any node for the slots' masters, and connect to them.

        Args:
            seen: The ``version`` by which the caller was misled; when another caller has
                refreshed since, nothing is done.

        Raises:
            BrokerUnavailable: No node answers.
        """
        async with self._refreshing:
            if not self.cluster or (seen is not None and seen != self.version):
                return
            error = BrokerUnavailable("no node of the cluster answers")
            # One that is away is asked last: waiting for it holds up the calls that wait for this.
            known = [*self.nodes(), self._node(self._seed)]
            for node in sorted(known, key=lambda node: not node.is_open):
                try:
                    await node.connected()
                    reply = await node.call("CLUSTER", "SLOTS")
                except BrokerUnavailable as caught:
                    error = caught
                    continue
                if isinstance(reply, hiredis.ReplyError):
                    error = BrokerUnavailable(f"{node.address} is no node of a cluster: {reply}")
                    continue
                by_slot: list[Node | None] = [None] * 16384
                for first, last, address in parse_slots(reply, node.address):
                    master = self._node(address)
                    master.start()
                    by_slot[first : last + 1] = [master] * (last + 1 - first)
                has_changed = by_slot != self._by_slot
                self._by_slot = by_slot
                self.version += 1
                for watcher in self.watchers if has_changed else ():
                    watcher.set()
                await self._wait_for(self.nodes())
                return
            raise error

    async def _wait_for(self, nodes: Iterable[Node]) -> None:
        """A master that is down must not keep the others from being used."""
        await asyncio.gather(*(node.connected() for node in nodes), return_exceptions=True)

    def _node(self, address: Address) -> Node:
        key = (address.host, address.port, address.path)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(address, self._timeout_s)
            node.on_away = partial(self._look_for_successor, node)
        return node

    def _look_for_successor(self, node: Node) -> None:
        """A master is away, and says no MOVED: ask the others whether a replica has its slots now."""
        is_looking = self._looking is not None and not self._looking.done()
        if self.cluster and not is_looking and node in self._by_slot:
            self._looking = asyncio.get_running_loop().create_task(self._look(self.version))

    async def _look(self, version: int) -> None:
        with suppress(BrokerUnavailable):  # it will be asked again
            await self.refresh(seen=version)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await asyncio.gather(*(node.aclose() for node in self._nodes.values()))
