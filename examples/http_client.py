"""A small client of Shoal's HTTP API, as a program in any language would write one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

#: States in which a task has ended.
ENDED = {"COMPLETED", "CANCELLED", "DEAD"}
#: How long one request waits for a task's end, in seconds; the API takes at most 60.
_WAIT_S = 30


class Refused(Exception):
    """The API said no; ``code`` is the problem's stable name (docs/http.md)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.code = problem.get("code")


class HttpClient:
    """Submits tasks and reads them.

    Args:
        session: With the API's address and its key.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, key: str) -> AsyncIterator[Self]:
        """A client of the API at ``url``; it makes no request yet."""
        async with aiohttp.ClientSession(url, headers={"X-API-Key": key}) as session:
            yield cls(session)

    async def is_ready(self) -> bool:
        """Whether the API is up and reaches Redis."""
        try:
            async with self._session.get("/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def submit(self, type: str, payload: Any, **fields: Any) -> str:
        """Submit one task; its id.

        Raises:
            Refused: It was not accepted.
        """
        body = {"type": type, "payload": payload, **fields}
        document = await self._request("POST", "/api/v1/tasks", json=body)
        task_id: str = document["task_id"]
        return task_id

    async def submit_batch(self, tasks: Sequence[dict[str, Any]]) -> list[str]:
        """Submit up to 1,000 tasks in one request; their ids, in order.

        Raises:
            Refused: Not all were accepted; those that were, were.
        """
        document = await self._request("POST", "/api/v1/tasks/batch", json={"tasks": tasks})
        for result in document["results"]:
            if "task_id" not in result:
                raise Refused(result["status"], result)
        return [result["task_id"] for result in document["results"]]

    async def ended(self, task_id: str) -> dict[str, Any]:
        """The task once it has ended, however long that takes.

        Raises:
            Refused: There is no such task any more.
        """
        while True:
            task = await self._request("GET", f"/api/v1/tasks/{task_id}", params={"wait": _WAIT_S})
            if task["state"] in ENDED:
                return task

    async def _request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        while True:
            async with self._session.request(method, path, **more) as response:
                if response.status == 503 and method == "GET":
                    # Redis is away for a moment; to read again does no harm.
                    await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
                    continue
                document: dict[str, Any] = await response.json(content_type=None)
                if response.status >= 400:
                    raise Refused(response.status, document)
                return document
