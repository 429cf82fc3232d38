"""A real Redis Cluster of three masters on loopback, with a replica each where asked for."""

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
    """One node; its bus has a port of its own, so that both stay below the ephemeral range.

    Args:
        kind: Which server.
        node_timeout_ms: Silence after which a node counts as dead.
    """

    def __init__(self, kind: Kind, *, node_timeout_ms: int = 5000) -> None:
        super().__init__(kind)
        self._node_timeout_ms = node_timeout_ms

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
            "cluster-node-timeout": str(self._node_timeout_ms),
            # Replicas get their copy at once, not when others may have asked for one too.
            "repl-diskless-sync-delay": "0",
            # A replica is promoted however long its master's silence was.
            "cluster-replica-validity-factor": "0",
            # A dead master takes only its own slots away, as in production.
            "cluster-require-full-coverage": "no",
        }

    def id(self) -> str:
        """Its name among the nodes."""
        with self.client(decode=True) as client:
            return str(client.execute_command("CLUSTER", "MYID"))

    def is_master(self) -> bool:
        """Whether it is one now."""
        with self.client(decode=True) as client:
            return bool(client.info("replication")["role"] == "master")

    def meet(self, other: "ClusterNodeServer") -> None:
        """Make the two, and all that they know, one cluster."""
        with self.client() as client:
            client.execute_command("CLUSTER", "MEET", other.host, other.port, other.bus_port)


class RedisCluster3:
    """Three masters with all 16,384 slots between them; a context manager.

    Args:
        kind: Which server.
        replicas: Whether each master has one: node ``n + 3`` follows node ``n`` at first.
        node_timeout_ms: Silence after which a node counts as dead.
    """

    def __init__(
        self, kind: Kind = "redis7", *, replicas: bool = False, node_timeout_ms: int = 5000
    ) -> None:
        self.kind: Kind = kind
        self.nodes: list[ClusterNodeServer] = [
            ClusterNodeServer(kind, node_timeout_ms=node_timeout_ms)
            for _ in range(2 * MASTERS if replicas else MASTERS)
        ]

    @property
    def url(self) -> str:
        """The address of the first node: enough to find the others."""
        return self.nodes[0].url

    @property
    def cluster_url(self) -> str:
        """The same as Shoal writes it, ``redis+cluster://``."""
        return self.url.replace("redis://", "redis+cluster://")

    @property
    def urls(self) -> list[str]:
        """The addresses of all nodes."""
        return [node.url for node in self.nodes]

    @property
    def ports(self) -> list[int]:
        """The TCP ports of all nodes."""
        return [node.port for node in self.nodes]

    @property
    def fds(self) -> set[int]:
        """The file descriptors held open in the test's process."""
        return {fd for node in self.nodes for fd in node.fds}

    def node_of_slot(self, slot: int) -> RedisServer:
        """The master that the cluster was formed with for this slot."""
        for node, (first, last) in zip(self.nodes[:MASTERS], slot_ranges(), strict=True):
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
        for node, (low, high) in zip(self.nodes[:MASTERS], slot_ranges(), strict=True):
            with node.client() as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", low, high)
        for node in self.nodes[1:]:
            first.meet(node)
        self.wait_until_formed()
        for master, replica in zip(self.nodes, self.nodes[MASTERS:], strict=False):
            with replica.client() as client:
                client.execute_command("CLUSTER", "REPLICATE", master.id())
        for replica in self.nodes[MASTERS:]:
            wait_until(partial(_follows, replica), f"{replica.url} follows", FORM_TIMEOUT_S)
        return self

    def wait_until_formed(self) -> None:
        """Wait until every node knows all others and every slot, and says ``cluster_state:ok``."""
        for node in self.nodes:
            wait_until(
                partial(_is_formed, node, len(self.nodes)),
                f"{node.url} sees the whole cluster",
                FORM_TIMEOUT_S,
            )

    def kill(self, index: int) -> None:
        """Kill -9 one node."""
        self.nodes[index].kill()

    def restart(self, index: int) -> None:
        """Start one node again on its ports and directory, and wait until all agree."""
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


def _follows(replica: RedisServer) -> bool:
    with replica.client(decode=True) as client:
        info = client.info("replication")
    return bool(info["role"] == "slave" and info["master_link_status"] == "up")


def _is_formed(node: RedisServer, nodes: int) -> bool:
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
        and info["cluster_known_nodes"] == str(nodes)
        and len(links) == nodes
        and all(link["connected"] for link in links.values())
    )
