"""A submitted task in the hands of its submitter: its state, its result, its end."""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING, Any

from shoal.clock import mono_s
from shoal.errors import (
    BrokerUnavailable,
    PartitionPaused,
    ResultTimeout,
    TaskNotCancellable,
    TaskNotFound,
)
from shoal.model.duration import parse_duration
from shoal.model.task import Task
from shoal.model.transitions import TERMINAL, State
from shoal.sealed import result_of
from shoal.task_end import result_or_raise

if TYPE_CHECKING:
    from shoal.app import Shoal
    from shoal.broker.broker import Broker
    from shoal.broker.results import Inspected

#: The pause before the first look at a result, and the longest one.
_FIRST_LOOK_S = 0.002
_LONGEST_PAUSE_S = 0.25
#: A look comes when the wait has grown by this part, so a result is seen at most that much late.
_GROWTH = 0.3
_LOOKS_PER_CALL = 200


class TaskHandle:
    """One task, by its id. Cheap: it holds nothing else and may be kept or made from the id."""

    __slots__ = ("_app", "id")

    def __init__(self, app: Shoal, id: str) -> None:
        self._app = app
        self.id = id

    async def task(self) -> Task:
        """Everything that is known of the task now.

        Raises:
            TaskNotFound: There is none with this id, or its retention has passed.
            BrokerUnavailable: Redis did not answer.
        """
        return self._app.view(await self._inspect())

    async def state(self) -> State:
        """Where the task stands now; raises as ``task``."""
        return State((await self._inspect()).state)

    async def result(self, timeout: str | float | None = None) -> Any:
        """Wait until the task has ended, and return what its handler returned, as JSON holds it.

        Args:
            timeout: How long to wait: seconds or ``"5m"``; ``None`` waits for ever. While Redis
                is away the wait goes on.

        Raises:
            TaskFailed: The task is DEAD.
            TaskCancelled: It was cancelled.
            ResultTimeout: It has not ended in time; it goes on.
            TaskNotFound: There is none with this id, or its retention has passed.
            CannotDecrypt: The result was encrypted with a key that is not here.
        """
        results = await self._app.results()
        seconds = None if timeout is None else parse_duration(timeout)
        try:
            async with asyncio.timeout(seconds):
                ended = await results.ended(self.id)
        except TimeoutError:
            raise ResultTimeout(f"task {self.id} has not ended after {seconds:g} s") from None
        task = self._app.view(ended)
        if task.state is State.COMPLETED:
            # What can't be decrypted must not pass for a result.
            result_of(self._app.vault, self.id, ended.fields.get("result", b""))
        return result_or_raise(task)

    async def cancel(self, reason: str = "requested") -> bool:
        """Cancel the task.

        Returns:
            ``True``: it is CANCELLED. ``False``: it runs, and was asked to stop.

        Raises:
            TaskNotCancellable: It has ended already.
            TaskNotFound: There is none with this id, or its retention has passed.
            BrokerUnavailable: Redis did not answer; cancelling again is safe.
        """
        broker = await self._app.broker()
        [answer] = await broker.cancel([self.id], reason)
        if answer.status == "not_found":
            raise TaskNotFound(f"no task has the id {self.id}, or its retention has passed")
        if answer.status == "terminal":
            raise TaskNotCancellable(
                f"task {self.id} is {answer.state} already", state=answer.state
            )
        return answer.status == "cancelled"

    async def _inspect(self) -> Inspected:
        broker = await self._app.broker()
        return await broker.inspect_one(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskHandle) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"TaskHandle({self.id!r})"


class _Wait:
    __slots__ = ("began_s", "futures")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.futures: list[asyncio.Future[Inspected]] = []


class Results:
    """Waits for tasks to end: however many are awaited, one loop asks, many a round trip."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waits: dict[str, _Wait] = {}
        self._due: list[tuple[float, str]] = []
        self._changed = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    async def ended(self, task_id: str) -> Inspected:
        """The task, once it is in a terminal state.

        Raises:
            TaskNotFound: There is none with this id, or its retention has passed.
        """
        loop = asyncio.get_running_loop()
        wait = self._waits.get(task_id)
        if wait is None:
            wait = self._waits[task_id] = _Wait(mono_s())
            heapq.heappush(self._due, (wait.began_s + _FIRST_LOOK_S, task_id))
            self._changed.set()
        future: asyncio.Future[Inspected] = loop.create_future()
        wait.futures.append(future)
        if self._asking is None or self._asking.done():
            self._asking = loop.create_task(self._ask(), name="shoal-results")
        try:
            return await future
        finally:
            wait.futures.remove(future)
            if not wait.futures and self._waits.get(task_id) is wait:
                del self._waits[task_id]

    async def aclose(self) -> None:
        """Stop asking; who still waits is cancelled."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        for wait in self._waits.values():
            for future in wait.futures:
                future.cancel()

    async def _ask(self) -> None:
        try:
            while self._waits:
                await self._pause()
                await self._look(self._take_due())
        except Exception as error:
            for wait in self._waits.values():
                for future in wait.futures:
                    if not future.done():
                        future.set_exception(error)
            raise

    async def _pause(self) -> None:
        """Until the next look is due; a new wait may be due sooner."""
        self._changed.clear()
        pause_s = self._due[0][0] - mono_s() if self._due else _LONGEST_PAUSE_S
        if pause_s > 0:
            try:
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _take_due(self) -> list[str]:
        now_s = mono_s()
        ids: list[str] = []
        while self._due and self._due[0][0] <= now_s and len(ids) < _LOOKS_PER_CALL:
            task_id = heapq.heappop(self._due)[1]
            if task_id in self._waits:
                ids.append(task_id)
        return ids

    async def _look(self, ids: list[str]) -> None:
        found: list[Inspected | None] | None = None
        if ids:
            try:
                found = await self._broker.inspect(ids)
            except (BrokerUnavailable, PartitionPaused):
                found = None  # it is asked again
        now_s = mono_s()
        for place, task_id in enumerate(ids):
            wait = self._waits.get(task_id)
            if wait is None:
                continue
            task = found[place] if found is not None else None
            if found is not None and (task is None or State(task.state) in TERMINAL):
                del self._waits[task_id]
                _tell(wait, task_id, task)
            else:
                waited_s = now_s - wait.began_s
                pause_s = min(max(waited_s * _GROWTH, _FIRST_LOOK_S), _LONGEST_PAUSE_S)
                heapq.heappush(self._due, (now_s + pause_s, task_id))


def _tell(wait: _Wait, task_id: str, task: Inspected | None) -> None:
    for future in wait.futures:
        if future.done():
            continue
        if task is None:
            missing = f"no task has the id {task_id}, or its retention has passed"
            future.set_exception(TaskNotFound(missing))
        else:
            future.set_result(task)
