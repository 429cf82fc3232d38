"""Moves of many tasks: in steps of at most 256, each done once, that anybody may go on with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from shoal.broker import operator_calls
from shoal.broker.calls import MAX_TASKS
from shoal.broker.operator_results import BulkAnswer
from shoal.errors import InvalidOperation
from shoal.model.identity import partition_of
from shoal.model.pace import check_rate, step_for
from shoal.model.selection import BulkVerb, Selection, check_operation_id

if TYPE_CHECKING:
    from shoal.broker.broker import Broker


class BulkOperation:
    """One wish of an operator over all partitions.

    The operation's id names it: its record in each partition says which step was the last and what
    was done. So a run that was cut off goes on where it stood when it is run again with the same id
    and the same selection, and a step that comes late or twice does nothing. The record stays for
    24 hours after the last step.

    Args:
        broker: Connected.
        verb: What to do.
        operation_id: Names this wish.
        selection: Which tasks.
        reason: Of cancels.
        rate: How many tasks a second are meant, of requeues: steps are as small as that needs, and
            whoever runs it waits between them (:class:`shoal.model.pace.Pace`); ``None`` = no limit.

    Raises:
        InvalidOperation: The selection contradicts itself or does not go with the verb, or the rate.
    """

    def __init__(
        self,
        broker: Broker,
        verb: BulkVerb,
        operation_id: str,
        selection: Selection,
        *,
        reason: str = "requested",
        rate: float | None = None,
    ) -> None:
        try:
            check_rate(verb, rate)
            self._operation_id = check_operation_id(operation_id)
            self._selection = selection.checked(verb)
        except ValueError as error:
            raise InvalidOperation(str(error)) from None
        self._broker = broker
        self._verb = verb
        tombstone_ms = round(broker.settings.retention.tombstone_s * 1000)
        self._argument = {
            BulkVerb.CANCEL: reason,
            BulkVerb.DELETE: str(tombstone_ms),
            BulkVerb.REQUEUE: "",
        }[verb]
        #: The most tasks of a step. It is a part of the wish: ids are cut by it.
        self.step_tasks = MAX_TASKS if rate is None else step_for(rate, MAX_TASKS)
        self._digest = self._selection.digest(verb, self._argument, rate)
        self._numbers: dict[tuple[int, str], dict[str, int]] = {}
        self._finished: set[tuple[int, str]] = set()
        self._ids: dict[int, list[str]] = {}
        for task_id in self._selection.ids:
            self._ids.setdefault(partition_of(task_id), []).append(task_id)
        #: Ids of partitions that nobody serves.
        self._unknown = sum(
            len(ids) for partition, ids in self._ids.items() if partition >= broker.partitions
        )

    @property
    def numbers(self) -> dict[str, int]:
        """What was done so far, by the verb's answers."""
        total: Counter[str] = Counter()
        for numbers in self._numbers.values():
            total.update(numbers)
        if self._unknown:
            total["not_found"] += self._unknown
        return dict(sorted(total.items()))

    @property
    def parts(self) -> int:
        """How many parts it has: for each partition its ids, or each state."""
        if self._selection.ids:
            return len([n for n in self._ids if n < self._broker.partitions])
        return self._broker.partitions * len(self._selection.states)

    @property
    def done(self) -> int:
        """How many of them are done, as far as this run has seen."""
        return len(self._finished)

    async def run(self, go_on: Callable[[], Awaitable[bool]] | None = None) -> dict[str, int]:
        """Do all that is left; returns the answers and their numbers since the operation began.

        Steps go out one after the other, so that workers' calls have their turn between them.

        Args:
            go_on: Asked after each step; once it says no, the rest is left for another run.

        Raises:
            InvalidOperation: The id stands for another wish.
            BrokerUnavailable, PartitionPaused: What is done stays done; run it again to go on.
        """
        for partition in range(self._broker.partitions):
            if self._selection.ids:
                parts = ["ids"] if partition in self._ids else []
            else:
                parts = [state.value for state in self._selection.states]
            for part in parts:
                if not await self._run_part(partition, part, go_on):
                    return self.numbers
        return self.numbers

    async def _run_part(
        self, partition: int, part: str, go_on: Callable[[], Awaitable[bool]] | None
    ) -> bool:
        """Whether to go on with the next part."""
        answer = await self._step(partition, part, 0)
        while not answer.is_finished:
            if go_on is not None and not await go_on():
                return False
            answer = await self._step(partition, part, answer.step + 1)
        self._finished.add((partition, part))
        return True

    async def _step(self, partition: int, part: str, step: int) -> BulkAnswer:
        ids = self._ids.get(partition, ())
        size = self.step_tasks
        answer = await self._broker.run(
            operator_calls.bulk(
                partition,
                self._verb,
                self._operation_id,
                part,
                step,
                self._selection,
                self._argument,
                digest=self._digest,
                ids=ids[max(step - 1, 0) * size : step * size],
                is_last=step * size >= len(ids),
                limit=size,
            )
        )
        if answer.status == "conflict":
            raise InvalidOperation(
                f"the operation id {self._operation_id} stands for another operation; use a new one"
            )
        self._numbers[partition, part] = answer.numbers
        return answer
