"""A batch of tasks that may depend on one another, put together before any of it is submitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from shoal.errors import InvalidTask, ShoalError
from shoal.graph_submitter import Member, bind, submit_all
from shoal.handle import TaskHandle
from shoal.model.graph import PREFIX
from shoal.submission import SubmitOptions

if TYPE_CHECKING:
    from shoal.app import Shoal
    from shoal.submission import Plan

#: The most tasks of one batch.
MAX_BATCH = 1000


class Planned:
    """A task of a batch that is not submitted yet; others of the batch may depend on it."""

    __slots__ = ("_batch", "place")

    def __init__(self, batch: Batch, place: int) -> None:
        self._batch = batch
        #: Where it stands in the batch, from 0.
        self.place = place

    @property
    def handle(self) -> TaskHandle:
        """The task, once the batch is submitted.

        Raises:
            InvalidTask: It is not.
        """
        handles = self._batch.handles
        if handles is None:
            raise InvalidTask("the batch is not submitted yet: await batch.submit()")
        return handles[self.place]

    @property
    def id(self) -> str:
        """Its id, once the batch is submitted; raises as ``handle``."""
        return self.handle.id

    def belongs_to(self, batch: Batch) -> bool:
        """Whether it is a task of this batch."""
        return self._batch is batch


class Batch:
    """Tasks to be submitted together; made by ``Shoal.batch``.

    Those that depend on one another go to one partition in one script call (up to 200 tasks, 2 MiB and 1,000
    dependencies; what is larger goes in several, parents first), so that no process that ends in between leaves
    a child without its parent.
    """

    def __init__(self, app: Shoal) -> None:
        self._app = app
        self._members: list[Member] = []
        #: In the order added, once they are submitted.
        self.handles: list[TaskHandle] | None = None

    def add(self, type: str, payload: Any = None, **options: Unpack[SubmitOptions]) -> Planned:
        """Add a task; ``depends_on`` may name tasks added before, handles and ids.

        Raises:
            InvalidTask, InvalidPayload: As ``Shoal.submit``; or the batch is full, or submitted already.
        """
        if self.handles is not None:
            raise InvalidTask("the batch is submitted already: make another one")
        if len(self._members) >= MAX_BATCH:
            raise InvalidTask(f"a batch holds at most {MAX_BATCH} tasks")
        named: list[Any] = []
        needs: list[str] = []
        parents = options.get("depends_on")
        if isinstance(parents, Iterable) and not isinstance(parents, str | bytes):
            for parent in parents:
                if not isinstance(parent, Planned):
                    named.append(parent)
                elif parent.belongs_to(self):
                    needs.append(f"{PREFIX}{parent.place}")
                else:
                    named.append(parent.id)
            options["depends_on"] = named
        plan, spec = self._app.plan(type, payload, options)
        place = len(self._members)
        self._members.append(Member(plan, spec, str(place), tuple(needs)))
        return Planned(self, place)

    async def submit(self) -> list[TaskHandle]:
        """Submit all of it.

        Returns:
            A handle for each, in the order added.

        Raises:
            As ``Shoal.submit``. When only a part was stored, the error's ``accepted`` holds the ids of that part
            and ``refused`` the places of the others; a task whose parent was refused is refused too.
        """
        if self.handles is not None:
            return self.handles
        connection = await self._app.connection()
        submitter = connection.submitter

        def new_id(_place: int, plan: Plan, partition: int) -> str:
            if plan.unique_key is not None:
                partition = submitter.partition_of_key(plan.unique_key)
            return submitter.new_id(partition)

        bound = bind(self._members, lambda _, plan: submitter.partition_for(plan), new_id)
        results = await submit_all(submitter, bound, len(self._members))
        failures = [result for result in results if isinstance(result, ShoalError)]
        if failures:
            error = failures[0]
            error.accepted = tuple(result for result in results if isinstance(result, str))
            error.refused = tuple(n for n, r in enumerate(results) if not isinstance(r, str))
            raise error
        self.handles = [TaskHandle(self._app, str(result)) for result in results]
        return self.handles
