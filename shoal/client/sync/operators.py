"""What a client does beside tasks: operations, schedules, workers, queues, dead letters."""

# Made by scripts/sync_client.py from shoal/client/aio/: change that.

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from shoal import documents
from shoal.client import bodies
from shoal.client.answers import id_of, member, nothing, page_of, reading
from shoal.client.retrying import Call
from shoal.client.routes import part, unless_missing
from shoal.client.sync.connection import Connection
from shoal.codec import encode_payload
from shoal.model.priority import Priority
from shoal.model.task import Task

_OPERATION = reading(documents.OperationDocument)
_SCHEDULE = reading(documents.ScheduleDocument)


class Operations:
    """Moves of many tasks: ``client.operations``."""

    def __init__(self, http: Connection) -> None:
        self._http = http

    def begin(
        self,
        verb: Literal["cancel", "requeue", "delete"],
        *,
        ids: Sequence[str] | None = None,
        filter: Mapping[str, Any] | None = None,
        reason: str = "requested",
        id: str | None = None,
    ) -> documents.OperationDocument:
        """Begin one; ``get`` says how far it is.

        Args:
            verb: What is done.
            ids: Of the tasks, at most 10,000. Give this or ``filter``.
            filter: ``states``, ``type``, ``queue``, ``fingerprint``, ``since``, ``until``.
            reason: Of cancels; shown with the tasks.
            id: Names the operation: the same again goes on with it; ``None`` = a new one.

        Raises:
            InvalidRequest, InvalidOperation: Something of it is wrong.
            Conflict: The id stands for another operation.
        """
        body = {"verb": verb, "reason": reason, "id": id or f"op-{uuid.uuid4().hex}"}
        body |= bodies.selection(ids, filter)
        call = Call("POST", "/api/v1/operations", _OPERATION, body=bodies.encode(body))
        return self._http.do(call)

    def get(self, id: str) -> documents.OperationDocument:
        """How far one is; raises ``NotFound``."""
        return self._http.do(Call("GET", f"/api/v1/operations/{part(id)}", _OPERATION))

    def newest(self, limit: int = 20) -> list[documents.OperationDocument]:
        """The newest first, at most 50."""
        read = member("operations", list[documents.OperationDocument])
        return self._http.do(Call("GET", "/api/v1/operations", read, {"limit": str(limit)}))

    def stop(self, id: str) -> documents.OperationDocument:
        """Let it stop after its next step; what is done stays done. Raises ``NotFound``."""
        return self._http.do(Call("POST", f"/api/v1/operations/{part(id)}/stop", _OPERATION))


class Schedules:
    """Tasks that are submitted again and again: ``client.schedules``."""

    def __init__(self, http: Connection) -> None:
        self._http = http

    def all(self) -> list[documents.ScheduleDocument]:
        """All of them, by id."""
        read = member("schedules", list[documents.ScheduleDocument])
        return self._http.do(Call("GET", "/api/v1/schedules", read))

    def get(self, id: str) -> documents.ScheduleDocument:
        """One of them; raises ``ScheduleNotFound``."""
        return self._http.do(Call("GET", f"/api/v1/schedules/{part(id)}", _SCHEDULE))

    def add(
        self,
        id: str,
        cron: str,
        type: str,
        payload: Any = None,
        *,
        tz: str = "UTC",
        missed: Literal["run_once", "skip", "run_all"] = "run_once",
        **options: Any,
    ) -> documents.ScheduleDocument:
        """Add one; the same again changes nothing.

        Args:
            id: Names it.
            cron: Minute, hour, day of month, month, day of week, or ``@daily`` and its like.
            type: The task type.
            payload: Of each task.
            tz: The time zone that ``cron`` is meant in.
            missed: What becomes of ticks while no worker was alive.
            options: ``priority``, ``queue``, ``timeout``, ``max_retries``, ``metadata``, ``retention``.

        Raises:
            InvalidSchedule, InvalidTask, InvalidRequest: Something of it is wrong.
            Conflict: Another schedule has the id.
        """
        body = bodies.schedule(options)
        body |= {"id": id, "cron": cron, "type": type, "tz": tz, "missed": missed}
        body["payload"] = msgspec.Raw(encode_payload(payload))
        return self._http.do(Call("POST", "/api/v1/schedules", _SCHEDULE, body=bodies.encode(body)))

    def remove(self, id: str) -> None:
        """Forget it; raises ``ScheduleNotFound``."""
        path = f"/api/v1/schedules/{part(id)}"
        self._http.do(Call("DELETE", path, nothing, if_repeated=unless_missing))

    def pause(self, id: str) -> documents.ScheduleDocument:
        """Let it not tick until it is resumed; raises ``ScheduleNotFound``."""
        return self._http.do(Call("POST", f"/api/v1/schedules/{part(id)}/pause", _SCHEDULE))

    def resume(self, id: str) -> documents.ScheduleDocument:
        """Let it tick from now on; raises ``ScheduleNotFound``."""
        return self._http.do(Call("POST", f"/api/v1/schedules/{part(id)}/resume", _SCHEDULE))

    def trigger(self, id: str) -> str:
        """Submit one task of it now; its id. Raises ``ScheduleNotFound``."""
        path = f"/api/v1/schedules/{part(id)}/trigger"
        return self._http.do(Call("POST", path, id_of, is_repeatable=False))


class Workers:
    """Workers, by operators: ``client.workers``."""

    def __init__(self, http: Connection) -> None:
        self._http = http

    def all(self) -> list[documents.WorkerDocument]:
        """The live ones, by id."""
        read = member("workers", list[documents.WorkerDocument])
        return self._http.do(Call("GET", "/admin/workers", read))

    def get(self, id: str) -> documents.WorkerDocument:
        """One, also when it left within the last hour; raises ``NotFound``."""
        read = reading(documents.WorkerDocument)
        return self._http.do(Call("GET", f"/admin/workers/{part(id)}", read))

    def pause(self, id: str) -> None:
        """Let it claim nothing until it is resumed; raises ``NotFound``."""
        self._http.do(Call("POST", f"/admin/workers/{part(id)}/pause", nothing))

    def resume(self, id: str) -> None:
        """Let it claim again; raises ``NotFound``, ``Conflict``."""
        self._http.do(Call("POST", f"/admin/workers/{part(id)}/resume", nothing))

    def shutdown(self, id: str) -> None:
        """Let it finish what it runs, and end; raises ``NotFound``."""
        self._http.do(Call("POST", f"/admin/workers/{part(id)}/shutdown", nothing))


class Queues:
    """Queues, by operators: ``client.queues``; without ``queue`` all of a priority are meant."""

    def __init__(self, http: Connection) -> None:
        self._http = http

    def all(self, queue: str | None = None) -> list[documents.QueueDocument]:
        """The four priorities, highest first."""
        read = member("queues", list[documents.QueueDocument])
        query = {} if queue is None else {"queue": queue}
        return self._http.do(Call("GET", "/admin/queues", read, query))

    def pause(self, priority: Priority | str | int, queue: str | None = None) -> list[str]:
        """Let nothing be claimed from them; which of them changed."""
        return self._switch(priority, queue, "pause")

    def resume(self, priority: Priority | str | int, queue: str | None = None) -> list[str]:
        """Let them be claimed from again; which of them changed."""
        return self._switch(priority, queue, "resume")

    def purge(self, priority: Priority | str | int, queue: str | None = None) -> int:
        """Cancel all that waits there, which can't be taken back; how many tasks that were."""
        name = Priority.parse(priority).name
        query = {"confirm": name} | ({} if queue is None else {"queue": queue})
        read = reading(documents.PurgeAnswer)
        purged = 0
        while True:
            answer = self._http.do(Call("DELETE", f"/admin/queues/{name}", read, query))
            purged += answer.purged
            if answer.done:
                return purged

    def _switch(self, priority: Priority | str | int, queue: str | None, verb: str) -> list[str]:
        path = f"/admin/queues/{Priority.parse(priority).name}/{verb}"
        query = {} if queue is None else {"queue": queue}
        return self._http.do(Call("POST", path, member("changed", list[str]), query))


class DeadLetters:
    """DEAD tasks, by operators: ``client.dead_letters``."""

    def __init__(self, http: Connection) -> None:
        self._http = http

    def all(self, type: str | None = None, page_size: int = 200) -> Iterator[Task]:
        """All of them with their errors, newest first, page by page."""
        query = {"limit": str(page_size)} | ({} if type is None else {"type": type})
        while True:
            page = self._http.do(Call("GET", "/admin/dlq", page_of, query))
            for task in page.tasks:
                yield task
            if page.next_cursor is None:
                return
            query = {**query, "cursor": page.next_cursor}

    def groups(self) -> documents.DeadGroupList:
        """What they died of, the largest group first."""
        read = reading(documents.DeadGroupList)
        return self._http.do(Call("GET", "/admin/dlq/groups", read))

    def requeue(
        self,
        *,
        ids: Sequence[str] | None = None,
        filter: Mapping[str, Any] | None = None,
        id: str | None = None,
    ) -> documents.OperationDocument:
        """Make them ready again, as an operation; arguments and errors as of ``Operations.begin``."""
        body = {"id": id or f"op-{uuid.uuid4().hex}"} | bodies.selection(ids, filter)
        call = Call("POST", "/admin/dlq/retry", _OPERATION, body=bodies.encode(body))
        return self._http.do(call)
