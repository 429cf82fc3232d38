"""``shoal.Client``: the verbs of an application over HTTP."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from datetime import timedelta
from typing import Any, Literal, Self, Unpack

from shoal import documents
from shoal.client import answers, bodies
from shoal.client.aio.connection import Connection
from shoal.client.aio.handle import Handle
from shoal.client.aio.operators import DeadLetters, Operations, Queues, Schedules, Workers
from shoal.client.answers import Page, id_of, page_of, reading, results_of, task_of
from shoal.client.following import Event, Following, query_of
from shoal.client.library import httpx, httpx_sse
from shoal.client.options import Options, Token, Verify
from shoal.client.retrying import Call
from shoal.client.routes import cancelling, requeuing, task_path
from shoal.errors import InvalidTask, ShoalError
from shoal.model.identity import parse_task_id
from shoal.model.task import Task
from shoal.model.transitions import State
from shoal.submission import SubmitOptions

Include = Literal["payload", "result", "error", "attempts"]


class Client:
    """The HTTP API, with the verbs and the errors of ``shoal.Shoal``.

    Requests are sent again where that is safe, with exponential backoff and full jitter, and ``Retry-After``
    is waited for. Submissions carry an ``Idempotency-Key``, so that each is accepted once. Errors are those
    of ``shoal.errors`` where one fits, else ``shoal.client.ApiProblem`` and ``ApiUnreachable``.

    One serves one event loop; ``async with`` or ``aclose`` closes its connections.

    Args:
        url: Of the API: ``https://shoal.example.com:8080``.
        key: An API key. Give this or ``token``.
        token: A token (JWT), or a function that returns one, called for each request.
        admin_url: Of the operators' port, for workers, queues and dead letters; ``None`` = ``url``, which
            suffices where that is the operators' port.
        verify: How the server's certificate is checked: ``True`` by the system's authorities; a path: by those
            of this file or directory; an ``ssl.SSLContext``, for example with a client's certificate;
            ``False``: not at all, which lets anybody read the key.
        timeout: How long one try may take, in seconds.
        retries: How many tries may follow the first, 0 to 20.
        max_connections: At once.

    Raises:
        ConfigurationError: One of these is wrong.
        ImportError: The extra ``client`` is not installed.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        token: Token | None = None,
        admin_url: str | None = None,
        verify: Verify = True,
        timeout: float = 30.0,
        retries: int = 4,
        max_connections: int = 100,
    ) -> None:
        self._http = Connection(
            Options(url, admin_url, key, token, verify, timeout, retries, max_connections)
        )
        #: Moves of many tasks.
        self.operations = Operations(self._http)
        #: Tasks that are submitted again and again.
        self.schedules = Schedules(self._http)
        #: Workers, for operators.
        self.workers = Workers(self._http)
        #: Queues, for operators.
        self.queues = Queues(self._http)
        #: DEAD tasks, for operators.
        self.dead_letters = DeadLetters(self._http)

    async def submit(
        self,
        type: str,
        payload: Any = None,
        *,
        idempotency_key: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Handle:
        """Submit one task. It is stored when this returns.

        Args:
            type: Its task type.
            payload: Anything JSON can hold: plain values, Structs, dataclasses, pydantic models.
            idempotency_key: Repeating the call with the same key and arguments within 24 hours is safe, also
                from another process; ``None`` = a new one for this call.
            options: As ``Shoal.submit`` takes them, but for ``task_id``.

        Raises:
            InvalidTask, UnknownDependency, QueueFull, TooManyTypes, TooManyQueues: As ``Shoal.submit``.
            BrokerUnavailable: The API can't reach Redis.
            ApiUnreachable: The API did not answer.
            Conflict: The key stands for another submission.
        """
        call = Call(
            "POST",
            "/api/v1/tasks",
            id_of,
            body=bodies.submission(type, payload, options),
            idempotency_key=idempotency_key or str(uuid.uuid4()),
        )
        return Handle(self, await self._http.do(call))

    async def submit_many(
        self,
        type: str,
        payloads: Iterable[Any],
        *,
        idempotency_key: str | None = None,
        **options: Unpack[SubmitOptions],
    ) -> list[Handle]:
        """Submit many tasks of one type, 500 a request. A payload that is no JSON refuses the whole call first.

        Args:
            type: Their task type.
            payloads: One for each task.
            idempotency_key: As of ``submit``.
            options: Hold for each; not ``task_id`` and ``unique_key``, which are for one task.

        Returns:
            A handle for each payload, in order.

        Raises:
            As ``submit``. When only a part was stored, the error's ``accepted`` holds the ids of that part and
            ``refused`` the places of the others.
        """
        key = idempotency_key or str(uuid.uuid4())
        results: list[str | ShoalError] = []
        for number, part in enumerate(bodies.batches(type, payloads, options)):
            call = Call(
                "POST",
                "/api/v1/tasks/batch",
                results_of,
                body=bodies.batch(part),
                idempotency_key=f"{key}/{number}",
                is_partial=answers.has_passing,
            )
            try:
                answered = await self._http.do(call)
                results.extend(answered)
            except ShoalError as refusal:
                results.extend([refusal] * len(part))
        failures = [result for result in results if isinstance(result, ShoalError)]
        if failures:
            error = failures[0]
            error.accepted = tuple(result for result in results if isinstance(result, str))
            error.refused = tuple(n for n, r in enumerate(results) if not isinstance(r, str))
            raise error
        return [Handle(self, result) for result in results if isinstance(result, str)]

    def handle(self, task_id: str) -> Handle:
        """The handle of a task whose id is known.

        Raises:
            InvalidTask: This is no task id.
        """
        try:
            return Handle(self, parse_task_id(task_id))
        except ValueError as error:
            raise InvalidTask(str(error)) from None

    async def task(self, task_id: str, *, wait: str | float | timedelta = 0) -> Task:
        """A task, with payload, result and history.

        Args:
            task_id: Of the task.
            wait: Answer when it has ended, or after so long (seconds, ``"10s"``; at most a minute).

        Raises:
            TaskNotFound: There is none with this id, or its retention has passed.
        """
        wait_s = bodies.seconds_of(wait)
        query = {"wait": f"{wait_s:.3f}s"} if wait_s else {}
        path = task_path(self.handle(task_id).id)
        return await self._http.do(Call("GET", path, task_of, query, wait_s=wait_s))

    async def page(
        self,
        *,
        state: State | str | None = None,
        type: str | None = None,
        include: Iterable[Include] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """One page of tasks, newest first.

        Args:
            state: Only those in it.
            type: Only those of this task type.
            include: What a page leaves out otherwise.
            limit: How many, at most 200.
            cursor: ``next_cursor`` of the page before.
        """
        given = {"state": state, "type": type, "cursor": cursor, "include": ",".join(include)}
        query = {name: str(value) for name, value in given.items() if value}
        query["limit"] = str(limit)
        return await self._http.do(Call("GET", "/api/v1/tasks", page_of, query))

    async def tasks(
        self,
        *,
        state: State | str | None = None,
        type: str | None = None,
        include: Iterable[Include] = (),
        page_size: int = 200,
    ) -> AsyncIterator[Task]:
        """All tasks that fit, newest first, page by page; arguments as of ``page``."""
        words, cursor = tuple(include), None
        while True:
            page = await self.page(
                state=state, type=type, include=words, limit=page_size, cursor=cursor
            )
            for task in page.tasks:
                yield task
            if (cursor := page.next_cursor) is None:
                return

    async def result(self, task_id: str, timeout: str | float | None = None) -> Any:
        """Wait until the task has ended, and return what its handler returned; as ``Handle.result``."""
        return await self.handle(task_id).result(timeout)

    async def cancel(self, task_id: str) -> bool:
        """Cancel a task.

        Returns:
            ``True``: it is CANCELLED. ``False``: it runs, and was asked to stop.

        Raises:
            TaskNotCancellable: It has ended already.
            TaskNotFound: There is none with this id, or its retention has passed.
        """
        return await self._http.do(cancelling(self.handle(task_id).id))

    async def requeue(self, task_id: str) -> None:
        """Make a DEAD, FAILED or CANCELLED task ready again, as an operator (``admin_url``).

        Raises:
            TaskNotRequeueable: It is in no such state.
            TaskNotFound: There is none with this id, or its retention has passed.
        """
        await self._http.do(requeuing(self.handle(task_id).id))

    async def stats(self) -> documents.Stats:
        """Exact numbers and rates of the whole deployment."""
        return await self._http.do(Call("GET", "/api/v1/stats", reading(documents.Stats)))

    async def events(
        self,
        *,
        events: Iterable[str] | None = None,
        types: Iterable[str] | None = None,
        queues: Iterable[str] | None = None,
        priorities: Iterable[str] | None = None,
        workers: Iterable[str] | None = None,
        tasks: Iterable[str] | None = None,
        mode: Literal["every", "sample"] = "every",
        since: str | None = None,
    ) -> AsyncGenerator[Event, None]:
        """What happens, while it does; connections that end are made anew and go on after the last event.

        An event must fit each list that is given. Runs until it is left; see ``Event`` for what could not be told.

        Args:
            events: Names; ``task.*`` too.
            types: Task types.
            queues: Names of queues.
            priorities: Names of priorities.
            workers: Ids of workers.
            tasks: Ids of tasks.
            mode: ``sample`` leaves out evenly what is more than people can read.
            since: The ``id`` of an event to resume after.

        Raises:
            NotAuthenticated, NotAllowed, InvalidRequest: The API refuses it.
        """
        lists = {"events": events, "types": types, "queues": queues, "priorities": priorities}
        query = query_of({**lists, "workers": workers, "tasks": tasks}, mode)
        following = Following(since)
        while True:
            stood = False
            try:
                async with self._http.stream(
                    "/api/v1/events", query, following.headers()
                ) as response:
                    if stood := following.check(response):
                        if (gap := following.gap()) is not None:
                            yield gap
                        async for sent in httpx_sse.EventSource(response).aiter_sse():
                            if (event := following.received(sent)) is not None:
                                yield event
            except httpx.TransportError:
                pass  # it is told apart from nothing: the next connection goes on
            await asyncio.sleep(following.lost(stood=stood))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()
