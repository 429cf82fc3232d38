"""The broker of one process: sends script calls, repairs what can be repaired, and says what became of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from time import monotonic
from typing import Any, Generic, Self, TypeVar

import hiredis

from shoal.broker.address import parse_url
from shoal.broker.admission import Admission
from shoal.broker.calls import MAX_TASKS, Call, Calls, slices
from shoal.broker.keys import PartitionKeys
from shoal.broker.keys import settings as settings_key
from shoal.broker.node import Node
from shoal.broker.operations import Operations
from shoal.broker.resilience import ErrorKind, error_for, kind_of
from shoal.broker.results import (
    Blame,
    Claimed,
    NoteItem,
    Outcome,
    Pruned,
    Recovered,
    Released,
    SettleStatus,
    Submission,
    Submitted,
)
from shoal.broker.scripts import Script, script
from shoal.broker.startup import SCHEMA, Agreed, check_node, open_namespace
from shoal.broker.topology import Topology
from shoal.config import Settings
from shoal.errors import BrokerError, BrokerUnavailable, PartitionPaused, ShoalError
from shoal.model.partition import slot_of

T = TypeVar("T")

log = logging.getLogger("shoal.broker")


class Pending(Generic[T]):
    """A call that has been sent; await it once for its result.

    Several may be sent before the first is awaited: they share a write and a round trip.
    """

    __slots__ = ("_broker", "_call", "_reply")

    def __init__(self, broker: "Broker", call: Call[T]) -> None:
        self._broker = broker
        self._call = call
        self._reply: Awaitable[Any] | ShoalError
        try:
            self._reply = broker.send(call)
        except ShoalError as error:
            self._reply = error

    def __await__(self) -> Generator[Any, None, T]:
        return self._broker.finish(self._call, self._reply).__await__()


class Broker(Operations):
    """The only way to a namespace's tasks; one for a process and its event loop.

    Every method may raise ``BrokerUnavailable`` (Redis is away or slow; with ``outcome_unknown`` the
    call may have been carried out), ``PartitionPaused`` and ``BrokerError`` (no repetition would
    mend it). Every call is safe to repeat with the same arguments.

    Made by :meth:`connect`.
    """

    def __init__(self, settings: Settings, topology: Topology, agreed: Agreed) -> None:
        self.settings = settings
        self.agreed = agreed
        self.topology = topology
        self.partitions = agreed.serve
        self.submit_partitions = agreed.submit
        self.calls = Calls(settings, agreed.serve)
        self.keys = [PartitionKeys(settings.namespace, n) for n in range(agreed.serve)]
        self._markers = [keys.marker.encode() for keys in self.keys]
        self._slots = [keys.slot for keys in self.keys]
        self._admission = Admission(self)
        self._commands: dict[str, tuple[bytes, bytes]] = {}
        #: Told of each answered call: the verb, and how long it took in seconds. ``None`` = nobody asks.
        self.answered: Callable[[str, float], None] | None = None
        #: Told of each batch that was handed over, and of what became of it. ``None`` = nobody asks.
        self.stored: Callable[[Sequence[Submission], Sequence[Submitted]], None] | None = None

    def adopt(self, settings: Settings) -> None:
        """Have these limits and this retention from the next call on; all else must be as before."""
        self.settings = settings
        self.calls = Calls(settings, self.partitions)

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Connect, check the server, and read what the namespace agrees on.

        Raises:
            BrokerUnavailable: Redis can't be reached.
            StartupError: The server is not fit: too old, or it may evict keys.
            ConfigurationError: REDIS_URL is wrong.
        """
        seed, cluster = parse_url(settings.redis)
        topology = Topology(seed, cluster=cluster, timeout_s=settings.redis.timeout_s)
        try:
            await topology.open()
            seen = [await check_node(node) for node in topology.nodes()]
            if not cluster and seen[0].get("cluster_enabled") == "1":
                await topology.become_cluster()
                for node in topology.nodes():
                    await check_node(node)
            node = topology.node_of(slot_of(settings_key(settings.namespace)))
            agreed = await open_namespace(node, settings)
        except BaseException:
            await topology.aclose()
            raise
        broker = cls(settings, topology, agreed)
        await broker._open_partitions()
        return broker

    async def _open_partitions(self) -> None:
        """Make what is missing; a partition that can't be reached or is paused is left for its first call."""
        for pending in [self.pending(self.calls.depths(n)) for n in range(self.partitions)]:
            try:
                await pending
            except (BrokerUnavailable, PartitionPaused) as error:
                log.warning("a partition is not open: %s", error)

    async def aclose(self) -> None:
        """Close all connections; calls in flight fail."""
        await self.topology.aclose()

    # -- sending

    def send(self, call: Call[Any]) -> asyncio.Future[Any]:
        """Send a call now and return its raw reply's future.

        Raises:
            BrokerUnavailable: Not connected; nothing was sent.
        """
        node = self.topology.node_of(self._slots[call.partition])
        return node.call(
            b"EVALSHA", call.script.sha, 1, self._markers[call.partition], *call.arguments
        )

    async def finish(self, call: Call[T], reply: Awaitable[Any] | ShoalError) -> T:
        """Await a sent call's reply; each kind of repair is tried once, then the call repeated."""
        version = self.topology.version
        if isinstance(reply, ShoalError):
            raise reply
        if (answered := self.answered) is None:
            answer = await reply
        else:
            began_s = monotonic()
            answer = await reply
            answered(call.script.name, monotonic() - began_s)
        repaired: set[str] = set()
        while _is_refusal(answer):
            text = _text(answer)
            word = text.partition(" ")[0]
            if word in repaired:
                raise error_for(text, call.partition)
            repaired.add(word)
            await self._repair(call, text, version)
            answer = await self.send(call)
        return call.decode(answer)

    def pending(self, call: Call[T]) -> Pending[T]:
        """Send a call now, to be awaited later."""
        return Pending(self, call)

    async def run(self, call: Call[T]) -> T:
        """Send a call and wait for its result; waits for the connection first, if there is none."""
        node = self.topology.node_of(self._slots[call.partition])
        await node.connected()
        return await Pending(self, call)

    def node_of_partition(self, partition: int) -> Node:
        """The server that has a partition now."""
        return self.topology.node_of(self._slots[partition])

    async def _repair(self, call: Call[Any], text: str, version: int) -> None:
        """Mend what a refusal names.

        Raises:
            ShoalError: It can't be mended by us.
        """
        if text == "no_partition":
            await self._create_partition(call.partition)
        elif text == "paused" or kind_of(text) is not ErrorKind.REPAIRABLE:
            raise error_for(text, call.partition)
        elif "NOSCRIPT" in text:
            await self._load(self.node_of_partition(call.partition), call.script)
        elif "NOGROUP" in text:
            made = await self.run(self.calls.simple("partition_repair", call.partition))
            log.warning(
                "partition %d: %d consumer groups were gone and are made again",
                call.partition,
                made,
            )
        else:
            await self.topology.refresh(seen=version)
            await self.node_of_partition(call.partition).connected()

    async def _load(self, node: Node, wanted: Script) -> None:
        sha = await node.call("SCRIPT", "LOAD", wanted.source)
        if isinstance(sha, hiredis.ReplyError):
            # A script that the server can't compile is our bug, not an outage.
            raise BrokerError(f"Redis refuses the script {wanted.name}: {sha}")

    async def _create_partition(self, partition: int) -> None:
        """Make the marker, unless its slot is on the move: then the real one is elsewhere."""
        node = self.node_of_partition(partition)
        if self.topology.cluster:
            reply = await node.call("CLUSTER", "NODES")
            slot = self._slots[partition]
            mine = [line for line in reply.decode().splitlines() if "myself" in line]
            if any(f"[{slot}-" in line for line in mine):
                raise BrokerUnavailable(f"partition {partition} is being moved to another server")
        create = script("partition_create")
        made = await node.call("EVAL", create.source, 1, self._markers[partition], SCHEMA)
        if isinstance(made, hiredis.ReplyError):
            raise error_for(str(made), partition)
        if made:
            log.info("partition %d is made", partition)

    # -- the verbs of the hot path

    async def submit(self, partition: int, tasks: Sequence[Submission]) -> list[Submitted]:
        """Accept tasks, at most 256 and 4 MiB a call; in order, what became of each."""
        if self._admission.knows(tasks):
            answers = await self.run(self.calls.submit(partition, tasks))
        else:
            answers = await self._submit_admitted(partition, tasks)
        if self.stored is not None:
            self.stored(tasks, answers)
        return answers

    async def _submit_admitted(
        self, partition: int, tasks: Sequence[Submission]
    ) -> list[Submitted]:
        refused = await self._admission.refusals(tasks)
        let_in = [task for place, task in enumerate(tasks) if place not in refused]
        stored = await self.run(self.calls.submit(partition, let_in)) if let_in else []
        answers = iter(stored)
        return [
            Submitted(task.id, refused[place]) if place in refused else next(answers)
            for place, task in enumerate(tasks)
        ]

    def claim(
        self,
        partition: int,
        incarnation: str,
        call_number: int,
        want: int,
        *,
        queues: Sequence[str] = (),
        sleep_s: float = 0.0,
        ignore_counters: bool = False,
        isolated: bool = False,
    ) -> Pending[Claimed]:
        """Take at most ``want`` ready tasks; sent now, awaited when you like.

        The call number rises per incarnation and partition; the same number again answers with what
        of that call still holds, so a lost reply loses nothing.
        """
        call = self.calls.claim(
            partition,
            incarnation,
            call_number,
            want,
            queues=queues,
            sleep_s=sleep_s,
            ignore_counters=ignore_counters,
            isolated=isolated,
        )
        return Pending(self, call)

    def settle(
        self, partition: int, incarnation: str, outcomes: Sequence[Outcome]
    ) -> Pending[list[SettleStatus]]:
        """Record outcomes, at most 256 and 4 MiB a call; in order, what became of each.

        Sent now, awaited when you like.
        """
        return Pending(self, self.calls.settle(partition, incarnation, outcomes))

    def note(
        self, partition: int, incarnation: str, items: Sequence[NoteItem]
    ) -> Pending[list[int]]:
        """Store what handlers say of themselves; the places of those whose token does not hold.

        Sent now, awaited when you like.
        """
        return Pending(self, self.calls.note(partition, incarnation, items))

    def settle_slices(self, outcomes: Sequence[Outcome]) -> list[Sequence[Outcome]]:
        """Outcomes in parts that each fit one settle call."""
        return slices(outcomes)

    async def depths(self, queues: Sequence[str] = ()) -> list[tuple[int, int, int, int]]:
        """What may be taken now, by priority, of every partition, in one pipelined read."""
        pending = [self.pending(self.calls.depths(n, queues)) for n in range(self.partitions)]
        return [(await one).depths for one in pending]

    async def away(self) -> list[int]:
        """The partitions that can't be asked now, because their server is away or nobody has their slot."""

        async def is_away(partition: int) -> bool:
            try:
                await self.pending(self.calls.depths(partition))
            except BrokerUnavailable:
                return True
            except ShoalError:
                return False  # it was answered
            return False

        found = await asyncio.gather(*map(is_away, range(self.partitions)))
        return [partition for partition, away in enumerate(found) if away]

    async def due(self, queues: Sequence[str] = ()) -> int:
        """How many tasks are ready or due in all partitions; 0 = there is nothing to do now."""
        pending = [self.pending(self.calls.depths(n, queues)) for n in range(self.partitions)]
        total = 0
        for one in pending:
            read = await one
            total += sum(read.depths) + read.due
        return total

    async def wake(self, partition: int, queue: str, hops: int) -> bool:
        """Pass a wake-up on that this worker can't use; whether somebody was asked to be woken."""
        return await self.run(self.calls.wake(partition, queue, hops))

    async def release(
        self, partition: int, incarnation: str, reason: str, blame: Blame | None = None
    ) -> Released:
        """Hand back a slice (at most 256) of all that an incarnation has; repeat until done."""
        return await self.run(self.calls.release(partition, incarnation, reason, blame))

    async def recover(self, partition: int, incarnation: str, *, full: bool = False) -> Recovered:
        """Hand back what the dead have not renewed for a lease, at most 256."""
        return await self.run(self.calls.recover(partition, incarnation, full=full))

    async def prune(
        self, partition: int, events_s: float = 60.0, types: Sequence[str] = ()
    ) -> Pruned:
        """Remove a slice of what is past its retention.

        Args:
            partition: Which.
            events_s: How long events stay, in seconds.
            types: At most 256 types whose own journals are trimmed up to where ``done`` begins.
        """
        return await self.run(self.calls.prune(partition, events_s, types))

    async def prune_type(self, partition: int, type: str, age_s: float) -> Pruned:
        """Remove a slice of what of one type ended longer than ``age_s`` seconds ago.

        Never what ended less than SHOAL_TOMBSTONE ago.
        """
        return await self.run(self.calls.prune_type(partition, type, age_s))

    async def trim_journals(self, partition: int) -> None:
        """Trim each type's own journal up to where ``done`` begins."""
        _, _, counts, _, _ = await self.run(self.calls.queues(partition))
        prefix = b"COMPLETED:"
        types = [f[len(prefix) :].decode() for f in counts[0::2] if f.startswith(prefix)]
        for at in range(0, len(types), MAX_TASKS):
            await self.prune(partition, types=types[at : at + MAX_TASKS])


def _is_refusal(answer: Any) -> bool:
    if isinstance(answer, list | int):
        return False
    return isinstance(answer, hiredis.ReplyError) or answer in {b"no_partition", b"paused"}


def _text(answer: Any) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)
