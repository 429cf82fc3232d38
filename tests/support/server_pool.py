"""The servers that one test process shares between its tests, started when first asked for."""

from tests.support.binaries import Kind
from tests.support.cluster import RedisCluster3
from tests.support.servers import RedisServer


class ServerPool:
    """Starts servers on demand and keeps them until ``close``; each test gets them flushed."""

    def __init__(self) -> None:
        self._servers: dict[Kind, RedisServer] = {}
        self._cluster: RedisCluster3 | None = None

    def get(self, kind: Kind) -> RedisServer:
        """The running, empty server of this kind."""
        if kind not in self._servers:
            # Kept before it is started: a failed start still has a directory to remove.
            self._servers[kind] = RedisServer(kind)
            return self._servers[kind].start()
        self._servers[kind].flush()
        return self._servers[kind]

    def get_cluster(self) -> RedisCluster3:
        """The running, empty cluster of three masters."""
        if self._cluster is None:
            cluster = RedisCluster3()
            try:
                cluster.start()
            except BaseException:
                cluster.close()
                raise
            self._cluster = cluster
            return cluster
        self._cluster.flush()
        return self._cluster

    @property
    def pids(self) -> set[int]:
        """The processes that may outlive a test."""
        return {server.pid for server in self._all() if server.is_running}

    @property
    def fds(self) -> set[int]:
        """The file descriptors that may outlive a test."""
        return {fd for server in self._all() for fd in server.fds}

    def close(self) -> None:
        """Kill all of them and remove their directories."""
        for server in self._all():
            server.close()
        self._servers.clear()
        self._cluster = None

    def _all(self) -> list[RedisServer]:
        return [*self._servers.values(), *(self._cluster.nodes if self._cluster else [])]
