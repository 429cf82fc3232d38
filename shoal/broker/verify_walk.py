"""What the checks of one partition share: where they read, what they have seen, what they found."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, TypeVar

import hiredis

from shoal.broker.broker import Broker
from shoal.broker.calls import Argument, Call
from shoal.broker.keys import PartitionKeys
from shoal.broker.node import Node
from shoal.broker.resilience import error_for
from shoal.broker.scripts import script
from shoal.broker.verify_report import Code, Finding

T = TypeVar("T")

#: How many tasks, entries or members are read at a time.
SLICE = 256
#: How many keys SCAN looks at in a step.
SCAN_STEP = 1000


class Walk:
    """One walk over one partition."""

    def __init__(self, broker: Broker, partition: int) -> None:
        self.partition = partition
        self.keys: PartitionKeys = broker.keys[partition]
        self.lease_ms = round(broker.settings.worker.lease_s * 1000)
        self._broker = broker
        self.findings: list[Finding] = []
        #: Names after the tag, by the form of key (see ``verify_keyspace``); task hashes are not kept.
        self.names: defaultdict[str, list[str]] = defaultdict(list)
        #: Ids of the task hashes seen: SCAN may name a key twice.
        self.seen: set[bytes] = set()
        #: Hashes by (state, type).
        self.tally: Counter[tuple[str, str]] = Counter()
        #: Type by id of what is COMPLETED.
        self.completed: dict[bytes, bytes] = {}

    def find(self, code: Code, name: str, sentence: str, *ids: str, entry: str = "") -> None:
        """Note a finding; ``name`` is the key's name after the tag."""
        key = self.keys.prefix + name
        self.findings.append(Finding(code, self.partition, key, sentence, tuple(ids), entry))

    async def script(self, verb: str, *arguments: Argument) -> Any:
        """Run a read-only script of this partition."""
        call: Call[Any] = Call(script(verb), self.partition, arguments, lambda reply: reply)
        return await self._broker.run(call)

    async def command(self, name: str, key: str, *arguments: Argument) -> Any:
        """Run one command on a key of this partition, by its name after the tag."""
        node = self._broker.node_of_partition(self.partition)
        return await ask(node, name, self.keys.prefix + key, *arguments)

    async def command_each(self, name: str, keys: Sequence[str]) -> list[Any]:
        """Run one command on each of these keys, in one round trip."""
        node = self._broker.node_of_partition(self.partition)
        await node.connected()
        replies = [node.call(name, self.keys.prefix + key) for key in keys]
        return [_checked(await reply) for reply in replies]

    async def elsewhere(
        self, partition: int, name: str, rows: Sequence[tuple[str, *tuple[Argument, ...]]]
    ) -> list[Any]:
        """Run one command on keys of any partition, by their names after the tag, in one round trip.

        A partition that this process does not know answers nothing.
        """
        if partition >= self._broker.partitions:
            return [None] * len(rows)
        node = self._broker.node_of_partition(partition)
        await node.connected()
        prefix = self._broker.keys[partition].prefix
        replies = [node.call(name, prefix + key, *arguments) for key, *arguments in rows]
        return [_checked(await reply) for reply in replies]

    async def names_of_keys(self) -> AsyncIterator[list[str]]:
        """Every key of the partition by its name after the tag, in steps; a name may come twice."""
        node = self._broker.node_of_partition(self.partition)
        prefix = self.keys.prefix
        async for keys in scan(node, f"{prefix}*"):
            yield [key[len(prefix) :] for key in keys]


async def ask(node: Node, *arguments: Argument) -> Any:
    """One command's reply.

    Raises:
        BrokerUnavailable: No answer.
        BrokerError: Redis refuses the command.
    """
    await node.connected()
    return _checked(await node.call(*arguments))


def _checked(reply: Any) -> Any:
    if isinstance(reply, hiredis.ReplyError):
        raise error_for(str(reply))
    return reply


def rows_of(flat: Sequence[T], width: int) -> Iterator[Sequence[T]]:
    """A flat reply in rows; the last may be shorter when it is a list to be cut into slices."""
    for at in range(0, len(flat), width):
        yield flat[at : at + width]


def text(raw: bytes) -> str:
    """What Redis sent, also when it is no UTF-8."""
    return raw.decode("utf-8", "backslashreplace")


async def scan(node: Node, match: str) -> AsyncIterator[list[str]]:
    """The keys of one server that match, in bounded steps."""
    cursor = b"0"
    while True:
        cursor, keys = await ask(node, "SCAN", cursor, "MATCH", match, "COUNT", SCAN_STEP)
        if keys:
            yield [text(key) for key in keys]
        if cursor == b"0":
            return
