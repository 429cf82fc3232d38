"""Which task types and queues a namespace has: at most so many over all its partitions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shoal.broker import keys
from shoal.broker.namespace_calls import run_on
from shoal.broker.results import Submission, SubmitStatus
from shoal.errors import BrokerUnavailable

if TYPE_CHECKING:
    from shoal.broker.broker import Broker


class Admission:
    """Asks once for each new type and queue; what was let in stays in, and costs nothing more.

    Args:
        broker: Its connection is shared.
    """

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._key = keys.types(broker.settings.namespace)
        self._types: set[str] = set()
        self._queues: set[str] = set()

    def knows(self, tasks: Sequence[Submission]) -> bool:
        """Whether all their types and queues are known to be in."""
        types, queues = self._types, self._queues
        return all(task.type in types and task.queue in queues for task in tasks)

    async def refusals(self, tasks: Sequence[Submission]) -> dict[int, SubmitStatus]:
        """Why tasks may not be submitted, by their place; the others may.

        Raises:
            BrokerUnavailable: Redis is away; nothing is known.
        """
        new_types = sorted({task.type for task in tasks} - self._types)
        new_queues = sorted({task.queue for task in tasks} - self._queues)
        limit = self._broker.settings.limit
        try:
            answers = await run_on(
                self._broker,
                self._key,
                "admit",
                limit.max_types,
                limit.max_queues,
                len(new_types),
                *new_types,
                *new_queues,
            )
        except BrokerUnavailable as error:
            # Whatever became of this question, no task was sent yet.
            raise BrokerUnavailable(str(error)) from error
        asked = [*new_types, *new_queues]
        is_in = dict(zip(range(len(asked)), answers, strict=True))
        self._types |= {name for k, name in enumerate(new_types) if is_in[k]}
        self._queues |= {name for k, name in enumerate(new_queues, len(new_types)) if is_in[k]}
        refused: dict[int, SubmitStatus] = {}
        for place, task in enumerate(tasks):
            if task.type not in self._types:
                refused[place] = "too_many_types"
            elif task.queue not in self._queues:
                refused[place] = "too_many_queues"
        return refused
