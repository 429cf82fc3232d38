"""The broker without an event loop: for the renew thread, and for children that only release.

Blocking, on connections of its own, so that whatever user code does to the loop does not touch it.
"""

import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import hiredis

from shoal.broker import keys
from shoal.broker.address import Address, parse_url
from shoal.broker.calls import MAX_TASKS, Call, Calls
from shoal.broker.keys import PartitionKeys
from shoal.broker.resilience import ErrorKind, PartitionMissing, error_for, kind_of
from shoal.broker.results import Blame, HandedBack, Outcome, Released, Renewed
from shoal.broker.topology import parse_slots
from shoal.config import Settings
from shoal.errors import BrokerUnavailable, ShoalError
from shoal.model.partition import slot_of

T = TypeVar("T")


class _Link:
    """One blocking connection: a batch of commands out, as many replies in."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._reader = hiredis.Reader(replyError=hiredis.ReplyError)
        try:
            if address.path:
                self._socket = socket.socket(socket.AF_UNIX)
                self._socket.settimeout(timeout_s)
                self._socket.connect(address.path)
            else:
                self._socket = socket.create_connection((address.host, address.port), timeout_s)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = address.ssl_context()
            if context is not None:
                self._socket = context.wrap_socket(self._socket, server_hostname=address.host)
        except OSError as error:
            raise BrokerUnavailable(f"can't connect to Redis at {address}: {error}") from None
        login: list[tuple[Any, ...]] = []
        if address.password:
            user = (address.username,) if address.username else ()
            login.append(("AUTH", *user, address.password))
        if address.db:
            login.append(("SELECT", address.db))
        for reply in self.batch(login):
            if isinstance(reply, hiredis.ReplyError):
                raise BrokerUnavailable(f"Redis at {address} refuses the connection: {reply}")

    def batch(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        try:
            self._socket.sendall(b"".join(hiredis.pack_command(command) for command in commands))
            replies: list[Any] = []
            while len(replies) < len(commands):
                reply = self._reader.gets()
                if reply is not False:
                    replies.append(reply)
                    continue
                data = self._socket.recv(65536)
                if not data:
                    raise BrokerUnavailable("Redis closed the connection", outcome_unknown=True)
                self._reader.feed(data)
        except OSError as error:
            raise BrokerUnavailable(
                f"no answer from Redis: {error}", outcome_unknown=True
            ) from None
        return replies

    def close(self) -> None:
        self._socket.close()


class SyncBroker:
    """Renewals and releases by blocking calls. Connects when first used; not for two threads at once.

    Args:
        settings: Where Redis is, the namespace and the lease.
        partitions: How many there are; ``None`` reads it from the namespace when first needed.
    """

    def __init__(self, settings: Settings, partitions: int | None = None) -> None:
        self._settings = settings
        self._seed, self._cluster = parse_url(settings.redis)
        self._links: dict[str, _Link] = {}
        self._slots: list[tuple[int, int, Address]] = []
        #: Whether the slots' masters are to be asked for before the next call.
        self._is_stale = True
        self._partitions = partitions
        self._keys: list[PartitionKeys] = []
        self._calls: Calls | None = None
        self._rotation = 0

    @property
    def partitions(self) -> int:
        """How many partitions the namespace has.

        Raises:
            BrokerUnavailable: It had to be read, and Redis did not answer.
        """
        if self._partitions is None:
            key = keys.settings(self._settings.namespace)
            link = self._link(self._address(slot_of(key)))
            (reply,) = self._batch(link, [("HGET", key, "serve")])
            self._partitions = int(reply) if reply else self._settings.partitions
        return self._partitions

    def renew(
        self,
        items: Mapping[int, Sequence[tuple[bytes, bytes]]],
        incarnation: str,
        touch: Iterable[int] = (),
    ) -> dict[int, Renewed]:
        """Renew the leases of ``(id, token)`` by partition, and be in contact with more partitions.

        One round trip a server. Renewals of more than 256 claims go out in several calls. A partition
        that is paused or away is left out of the answer.

        Raises:
            BrokerUnavailable: Redis did not answer; leases stand as they were.
        """
        calls = self._ready_calls()
        self._rotation += 1
        sent: list[Call[Renewed]] = []
        for partition in sorted({*items, *touch}):
            claims = items.get(partition, ())
            for at in range(0, max(len(claims), 1), MAX_TASKS):
                part = claims[at : at + MAX_TASKS]
                sent.append(calls.renew(partition, incarnation, part, self._rotation))
        out: dict[int, Renewed] = {}
        refused: ShoalError | None = None
        replies: list[Renewed | ShoalError] = self.run(sent)
        for call, reply in zip(sent, replies, strict=True):
            if isinstance(reply, ShoalError):
                refused = reply
            else:
                out[call.partition] = _joined(out.get(call.partition), reply)
        if refused is not None and not out:
            raise refused
        listed = {token for claims in items.values() for _, token in claims}
        return {
            partition: reply._replace(
                unknown=[claim for claim in reply.unknown if claim.token not in listed]
            )
            for partition, reply in out.items()
        }

    def release(
        self,
        incarnation: str,
        reason: str,
        partitions: Iterable[int] | None = None,
        *,
        blame: Blame | None = None,
    ) -> HandedBack:
        """Hand back all that an incarnation has, in every partition.

        Args:
            incarnation: Whose; it counts as dead from now on.
            reason: ``killed`` or ``lost`` count as a recovery, ``drained`` and ``retired`` do not;
                ``crashed`` charges what ``blame`` names, and nobody else.
            partitions: Only these; ``None`` = all.
            blame: With ``crashed``: what it died of, and what was executing.

        Raises:
            BrokerUnavailable: Redis did not answer; repeat it, what is done stays done.
            PartitionPaused: A partition is paused; the others are done. Repeat it later.
        """
        calls = self._ready_calls()
        left = list(range(self.partitions) if partitions is None else partitions)
        tasks = isolated = 0
        refused: ShoalError | None = None
        while left:
            replies = self.run(
                [calls.release(partition, incarnation, reason, blame) for partition in left]
            )
            again: list[int] = []
            for partition, reply in zip(left, replies, strict=True):
                if isinstance(reply, Released):
                    tasks += reply.released
                    isolated += reply.isolated
                    if not reply.done:
                        again.append(partition)
                elif not isinstance(reply, PartitionMissing):
                    refused = reply
            left = again
        if refused is not None:
            raise refused
        return HandedBack(tasks, isolated)

    def settle(self, partition: int, incarnation: str, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes of one partition; at most 256. For a shard whose event loop stands still.

        Raises:
            BrokerUnavailable: Redis did not answer; repeat it.
            BrokerError, PartitionPaused: It was refused.
        """
        for reply in self.run([self._ready_calls().settle(partition, incarnation, outcomes)]):
            if isinstance(reply, ShoalError):
                raise reply

    def ping(self) -> float:
        """The round trip of one PING in seconds.

        Raises:
            BrokerUnavailable: No answer in time.
        """
        link = self._link(self._address(0))
        start = time.perf_counter()
        self._batch(link, [("PING",)])
        return time.perf_counter() - start

    def run(self, calls: Iterable[Call[T]]) -> list[T | ShoalError]:
        """Send calls, one round trip a server; repairs and repeats what can be. An error stands in its place.

        Raises:
            BrokerUnavailable: No server answered; then no outcome is known.
        """
        calls = list(calls)
        replies = self._send(calls)
        for _ in range(3):
            again = [k for k, reply in enumerate(replies) if self._repaired(calls[k], reply)]
            if not again:
                break
            for k, reply in zip(again, self._send([calls[k] for k in again]), strict=True):
                replies[k] = reply
        out: list[T | ShoalError] = []
        for call, reply in zip(calls, replies, strict=True):
            if isinstance(reply, BrokerUnavailable):
                out.append(reply)
                continue
            text = _refusal(reply)
            out.append(call.decode(reply) if text is None else error_for(text, call.partition))
        return out

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        for link in self._links.values():
            link.close()
        self._links.clear()

    # -- inside

    def _ready_calls(self) -> Calls:
        if self._calls is None:
            n = self.partitions
            self._keys = [PartitionKeys(self._settings.namespace, k) for k in range(n)]
            self._calls = Calls(self._settings, n)
        return self._calls

    def _send(self, calls: Sequence[Call[T]]) -> list[Any]:
        """Replies in order; where a server is away its error, for a master's death is not that of the others."""
        replies: list[Any] = [None] * len(calls)
        by_link: dict[int, tuple[_Link, list[int]]] = {}
        away: dict[Address, BrokerUnavailable] = {}
        if self._cluster and self._is_stale:
            self._read_slots()
        for k, call in enumerate(calls):
            address = self._address(self._keys[call.partition].slot)
            try:
                if address in away:
                    raise away[address]
                link = self._link(address)
            except BrokerUnavailable as error:
                replies[k] = away[address] = error
                continue
            by_link.setdefault(id(link), (link, []))[1].append(k)
        for link, places in by_link.values():
            commands = [
                (
                    "EVALSHA",
                    calls[k].script.sha,
                    1,
                    self._keys[calls[k].partition].marker,
                    *calls[k].arguments,
                )
                for k in places
            ]
            try:
                answers = self._batch(link, commands)
            except BrokerUnavailable as error:
                answers = [error] * len(places)
            for k, reply in zip(places, answers, strict=True):
                replies[k] = reply
        errors = [reply for reply in replies if isinstance(reply, BrokerUnavailable)]
        if errors and len(errors) == len(replies):
            raise errors[0]
        return replies

    def _repaired(self, call: Call[Any], reply: Any) -> bool:
        """Whether a refused call may be sent again. Who only renews or releases makes no partition."""
        text = _refusal(reply)
        if text is None or kind_of(text) is not ErrorKind.REPAIRABLE:
            return False
        if "MOVED" in text:
            # Only a cluster says so, whatever its URL was.
            self._cluster = True
            self._is_stale = True
            return True
        if "NOSCRIPT" in text:
            link = self._link(self._address(self._keys[call.partition].slot))
            self._batch(link, [("SCRIPT", "LOAD", call.script.source)])
            return True
        return False

    def _batch(self, link: _Link, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        try:
            return link.batch(commands)
        except BrokerUnavailable:
            # What was sent on this link may still be answered: it can't be used again.
            link.close()
            self._links = {name: other for name, other in self._links.items() if other is not link}
            self._is_stale = True
            raise

    def _link(self, address: Address) -> _Link:
        link = self._links.get(str(address))
        if link is None:
            try:
                link = _Link(address, self._settings.redis.timeout_s)
            except BrokerUnavailable:
                self._is_stale = True
                raise
            self._links[str(address)] = link
        return link

    def _address(self, slot: int) -> Address:
        if not self._cluster:
            return self._seed
        if not self._slots:
            self._read_slots()
        for first, last, address in self._slots:
            if first <= slot <= last:
                return address
        raise BrokerUnavailable(f"no master of the cluster has slot {slot}")

    def _read_slots(self) -> None:
        """Ask any node that is known for the slots' masters; those that are connected first.

        Raises:
            BrokerUnavailable: None answers.
        """
        known = {str(address): address for _, _, address in self._slots}
        known.setdefault(str(self._seed), self._seed)
        error = BrokerUnavailable("no node of the cluster answers")
        for name in sorted(known, key=lambda name: name not in self._links):
            address = known[name]
            try:
                (reply,) = self._batch(self._link(address), [("CLUSTER", "SLOTS")])
            except BrokerUnavailable as caught:
                error = caught
                continue
            if isinstance(reply, hiredis.ReplyError):
                error = BrokerUnavailable(f"{address} is no node of a cluster: {reply}")
                continue
            self._slots = parse_slots(reply, address)
            self._is_stale = False
            return
        raise error


def _joined(before: Renewed | None, reply: Renewed) -> Renewed:
    if before is None or reply.status == "dead":
        return reply
    if before.status == "dead":
        return before
    return Renewed(
        "ok",
        before.lost + reply.lost,
        before.cancel_requested + reply.cancel_requested,
        before.unknown + reply.unknown,
    )


def _refusal(reply: Any) -> str | None:
    if isinstance(reply, hiredis.ReplyError):
        return str(reply)
    return reply.decode() if reply in (b"no_partition", b"paused") else None
