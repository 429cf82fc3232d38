"""A real API process, and requests to it."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.ports import PortReservation, reserve_port
from tests.support.processes import ChildProcess, shoal

KEY = "the-key-of-the-tests"
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body; a problem must be called one."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Which problem it is."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        document = self.json
        assert document["status"] == self.status
        assert document["type"] == f"urn:shoal:problem:{document['code']}"
        code: str = document["code"]
        return code


class Ports:
    """A port for clients and one for operators; a context manager."""

    def __init__(self) -> None:
        self._held: list[PortReservation] = [reserve_port(), reserve_port()]

    @property
    def public(self) -> int:
        """API_PORT."""
        return self._held[0].port

    @property
    def admin(self) -> int:
        """ADMIN_PORT."""
        return self._held[1].port

    @property
    def env(self) -> dict[str, str]:
        """As settings."""
        return {"API_PORT": str(self.public), "ADMIN_PORT": str(self.admin)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for held in self._held:
            held.release()


class Client:
    """Requests to an API, each over a connection of its own."""

    def __init__(self, ports: Ports, key: str | None = KEY) -> None:
        self.ports = ports
        self.key = key

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        on_admin: bool = False,
    ) -> Answer:
        """Send one; ``body`` is bytes as they are, or a value to be written as JSON.

        What is under ``/admin`` goes to the operators' port, and with ``on_admin`` all.
        """
        all_headers: dict[str, str] = {}
        if self.key is not None:
            all_headers["X-API-Key"] = self.key
        if body is not None:
            all_headers["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        all_headers.update(headers or {})
        port = self.ports.admin if path.startswith("/admin") or on_admin else self.ports.public
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        with contextlib.closing(connection):
            connection.request(method, path, body, all_headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    def get(self, path: str, **more: Any) -> Answer:
        """GET."""
        return self.request("GET", path, **more)

    def post(self, body: Any, path: str = "/api/v1/tasks", **more: Any) -> Answer:
        """POST; a submission unless another path is given."""
        return self.request("POST", path, body, **more)

    def post_chunks(self, chunks: Sequence[bytes], path: str = "/api/v1/tasks") -> Answer:
        """POST JSON without saying how long it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports.public, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.putrequest("POST", path)
            connection.putheader("Transfer-Encoding", "chunked")
            connection.putheader("Content-Type", "application/json")
            connection.putheader("X-API-Key", self.key or "")
            connection.endheaders()
            with contextlib.suppress(ConnectionError):  # it may be refused before all is sent
                for chunk in (*chunks, b""):
                    connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    def batch(self, *tasks: Any, **more: Any) -> Answer:
        """Submit a batch."""
        return self.post({"tasks": list(tasks)}, "/api/v1/tasks/batch", **more)

    def submit(self, type: str = "mail", payload: Any = None, **fields: Any) -> str:
        """Submit a task that is accepted; its id."""
        answer = self.post({"type": type, "payload": payload, **fields})
        assert answer.status == 202, answer.body
        task_id: str = answer.json["task_id"]
        return task_id

    def task(self, task_id: str) -> Any:
        """A task's document."""
        answer = self.get(f"/api/v1/tasks/{task_id}")
        assert answer.status == 200, answer.body
        return answer.json


class Api(Client):
    """An API process of its own on free ports."""

    def __init__(self, ports: Ports, process: ChildProcess) -> None:
        super().__init__(ports)
        self.process = process


@contextlib.contextmanager
def running_api(
    url: str,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    ready: str = "the API listens",
) -> Iterator[Api]:
    """An API process on this Redis, accepting requests."""
    with Ports() as ports:
        settings = {"REDIS_URL": url, "API_KEY": KEY, **ports.env, **(env or {})}
        with shoal("api", *arguments, env=settings, cwd=cwd) as process:
            process.wait_for_output(ready)
            yield Api(ports, process)
            if process.returncode is None:
                process.terminate()
                assert process.wait() == 0, process.stderr
            assert "Traceback" not in process.stderr
