"""A real Redis Cluster of three masters on loopback."""

from functools import partial
from itertools import pairwise
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

from tests.support.binaries import Kind
from tests.support.ports import PortReservation, reserve_port
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

SLOTS = 16_384
MASTERS = 3
FORM_TIMEOUT_S = 60.0


class ClusterNodeServer(RedisServer):
    """One node; its bus has a port of its own, so that both stay below the ephemeral range."""

    def _reserve(self) -> list[PortReservation]:
        return [reserve_port(), reserve_port()]

    @property
    def bus_port(self) -> int:
        """The TCP port on which the nodes speak to each other."""
        return self._reservations[1].port

    def _addresses(self) -> dict[str, str]:
        return {
            **super()._addresses(),
            "cluster-enabled": "yes",
            "cluster-port": str(self.bus_port),
            "cluster-node-timeout": "5000",
            # A dead master takes only its own slots away, as in production.
            "cluster-require-full-coverage": "no",
        }


class RedisCluster3:
    """Three masters with all 16,384 slots between them, no replicas; a context manager."""

    def __init__(self, kind: Kind = "redis7") -> None:
        self.kind: Kind = kind
        self.nodes: list[RedisServer] = [ClusterNodeServer(kind) for _ in range(MASTERS)]

    @property
    def url(self) -> str:
        """The address of the first node: enough to find the others."""
        return self.nodes[0].url

    @property
    def urls(self) -> list[str]:
        """The addresses of all three."""
        return [node.url for node in self.nodes]

    @property
    def ports(self) -> list[int]:
        """The TCP ports of all three."""
        return [node.port for node in self.nodes]

    @property
    def fds(self) -> set[int]:
        """The file descriptors held open in the test's process."""
        return {fd for node in self.nodes for fd in node.fds}

    def node_of_slot(self, slot: int) -> RedisServer:
        """The master that the cluster was formed with for this slot."""
        for node, (first, last) in zip(self.nodes, slot_ranges(), strict=True):
            if first <= slot <= last:
                return node
        raise ValueError(f"slot {slot} is not between 0 and {SLOTS - 1}")

    def client(self, *, decode: bool = False, timeout_s: float = 10.0) -> RedisCluster:
        """A new cluster client without retries. Close it."""
        return RedisCluster(
            startup_nodes=[_address(node) for node in self.nodes if node.is_running],
            protocol=2,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            decode_responses=decode,
        )

    def start(self) -> Self:
        """Start the nodes, give them their slots, make them meet, and wait until all agree."""
        for node in self.nodes:
            node.start()
        first = self.nodes[0]
        for node, (low, high) in zip(self.nodes, slot_ranges(), strict=True):
            with node.client() as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", low, high)
        for node in self.nodes[1:]:
            assert isinstance(node, ClusterNodeServer)
            with first.client() as client:
                client.execute_command("CLUSTER", "MEET", node.host, node.port, node.bus_port)
        self.wait_until_formed()
        return self

    def wait_until_formed(self) -> None:
        """Wait until every node knows all three and every slot, and says ``cluster_state:ok``."""
        for node in self.nodes:
            wait_until(
                partial(_is_formed, node),
                f"{node.url} sees the whole cluster",
                FORM_TIMEOUT_S,
            )

    def kill(self, index: int) -> None:
        """Kill -9 one master."""
        self.nodes[index].kill()

    def restart(self, index: int) -> None:
        """Start one master again on its ports and directory, and wait until all agree."""
        self.nodes[index].restart()
        self.wait_until_formed()

    def flush(self) -> None:
        """Bring every node back, empty and with its baseline configuration."""
        for node in self.nodes:
            node.flush()
        self.wait_until_formed()

    def close(self) -> None:
        """Kill all and remove their directories."""
        for node in self.nodes:
            node.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _address(node: RedisServer) -> ClusterNode:
    return ClusterNode(node.host, node.port)  # type: ignore[no-untyped-call]


def slot_ranges() -> list[tuple[int, int]]:
    """First and last slot of each master, shared out as ``redis-cli --cluster create`` does."""
    bounds = [round(SLOTS * index / MASTERS) for index in range(MASTERS + 1)]
    return [(low, high - 1) for low, high in pairwise(bounds)]


def _is_formed(node: RedisServer) -> bool:
    with node.client(decode=True) as client:
        try:
            info = client.execute_command("CLUSTER INFO")
            links = client.execute_command("CLUSTER NODES")
        except redis.ConnectionError:
            return False
    return (
        info["cluster_state"] == "ok"
        and info["cluster_slots_assigned"] == str(SLOTS)
        and info["cluster_slots_ok"] == str(SLOTS)
        and info["cluster_known_nodes"] == str(MASTERS)
        and len(links) == MASTERS
        and all(link["connected"] for link in links.values())
    )
