"""Serves a host's metrics and health: ``/metrics``, ``/livez`` and ``/readyz``.

A child of its own, so that nobody who scrapes slows a shard down, and so that it answers while all
shards are being replaced. It reads the files to which the shards write their metrics, and their
pages; it never asks Redis.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from shoal.clock import mono_ms
from shoal.config import Settings
from shoal.errors import ExitStatus
from shoal.lifecycle import READY, startup_failure
from shoal.model.identity import ISOLATION_INDEX
from shoal.supervisor.board import Board
from shoal.supervisor.collectors import HostCollector, PageCollector
from shoal.telemetry.build import BuildCollector
from shoal.telemetry.logs import logger

__all__ = ["Exporter", "main"]

#: How long a client may take for its request, in seconds.
_CLIENT_TIMEOUT_S = 5.0
#: Scrapes that come faster get the same answer, in seconds: adding up many shards takes a while.
_CACHE_S = 0.5


class Exporter:
    """What the three paths answer."""

    def __init__(self, board: Board, metrics_directory: Path | None) -> None:
        """``metrics_directory`` None = metrics are off, only the pages' gauges are served."""
        self._board = board
        self._registry = CollectorRegistry()
        if metrics_directory is not None:
            MultiProcessCollector(self._registry, path=os.fspath(metrics_directory))  # type: ignore[no-untyped-call]
        self._registry.register(PageCollector(board))
        self._registry.register(HostCollector(board))
        self._registry.register(BuildCollector())
        self._lock = threading.Lock()
        self._cached = b""
        self._cached_s = float("-inf")

    def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Status, content type and body for a path."""
        plain = "text/plain; charset=utf-8"
        match path.partition("?")[0]:
            case "/metrics":
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, self._metrics()
            case "/livez":
                # Whoever reads this was answered by a process that ends with the supervisor.
                return HTTPStatus.OK, plain, b"ok\n"
            case "/readyz":
                ready = self.ready_shards()
                if ready:
                    return HTTPStatus.OK, plain, b"ok: %d shards are able to claim\n" % ready
                return HTTPStatus.SERVICE_UNAVAILABLE, plain, b"no shard is able to claim\n"
        return HTTPStatus.NOT_FOUND, plain, b"there are /metrics, /livez and /readyz\n"

    def ready_shards(self) -> int:
        """Shards that are able to claim: alive, not paused, and heard by the broker just now."""
        now_ms = mono_ms()
        return sum(
            page.snapshot(slots=False).is_able_to_claim(now_ms)
            for index, page in self._board.pages()
            if index != ISOLATION_INDEX
        )

    def _metrics(self) -> bytes:
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._cached_s > _CACHE_S:
                self._cached = generate_latest(self._registry)
                self._cached_s = time.monotonic()
            return self._cached


class _Server(ThreadingHTTPServer):
    """On all addresses of the host: Prometheus comes from elsewhere."""

    daemon_threads = True

    def __init__(self, port: int, exporter: Exporter) -> None:
        self.exporter = exporter
        has_both = socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if has_both else socket.AF_INET
        super().__init__(("::" if has_both else "0.0.0.0", port), _Handler)  # noqa: S104 - see above

    def server_bind(self) -> None:
        """Bind for IPv4 too."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # Not HTTPServer's: that one asks the resolver for the host's name, which can take long.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "shoal", self.socket.getsockname()[1]


class _Handler(BaseHTTPRequestHandler):
    """One request a connection."""

    server: _Server
    timeout = _CLIENT_TIMEOUT_S
    server_version = "shoal"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer, with the body."""
        self._respond(with_body=True)

    def do_HEAD(self) -> None:
        """Answer, without the body."""
        self._respond(with_body=False)

    def _respond(self, *, with_body: bool) -> None:
        try:
            status, content_type, body = self.server.exporter.answer(self.path)
        except Exception:  # noqa: BLE001 - a metrics file may just be in the making
            logger.exception("{} can't be answered", self.path.partition("?")[0][:80])
            status, content_type, body = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"failed\n"
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: there is one every few seconds, for ever."""


def main(settings: Settings, board: Board, metrics_directory: Path | None, ready_fd: int) -> int:
    """Serve until the supervisor ends.

    Args:
        settings: The port.
        board: The pages of the shards.
        metrics_directory: Where the shards write their metrics; None = metrics are off.
        ready_fd: Gets ``READY`` when the port is open, or why it is not.
    """
    port = settings.worker.metrics_port
    if port is None:
        raise ValueError("there is no port to serve on: set SHOAL_METRICS_PORT")
    try:
        server = _Server(port, Exporter(board, metrics_directory))
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        why = "it is in use" if is_taken else os.strerror(error.errno or 0)
        message = f"can't serve metrics on port {port}: {why}; choose another SHOAL_METRICS_PORT"
        os.write(ready_fd, startup_failure(ExitStatus.SYSTEM, message))
        return int(ExitStatus.SYSTEM)
    os.write(ready_fd, READY)
    os.close(ready_fd)
    server.serve_forever()
    return 0
