"""Valid submissions, claims and outcomes in one line, and a scene to play verbs on."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import redis

from shoal.broker.broker import Broker
from shoal.broker.keys import GROUP
from shoal.broker.results import (
    Claim,
    Claimed,
    Outcome,
    OutcomeWord,
    Renewed,
    SettleStatus,
    Submission,
    Submitted,
)
from shoal.config import Settings
from shoal.model.attempt import line_tail
from tests.support.state import Names, State, changes, snapshot

#: Three incarnations.
ME = "w-0.aaaaaa"
OTHER = "w-1.bbbbbb"
THIRD = "w-2.cccccc"
SPEC = b'{}\n"payload"'


def settings_for(url: str, **changes: object) -> Settings:
    """Settings for tests: one partition, the shortest lease, the shortest tombstone."""
    return Settings().replace(
        **{
            "redis__url": url,
            "namespace": "t",
            "partitions": 1,
            "worker__lease_s": 3,
            "retention__tombstone_s": 1,
            **changes,
        }
    )


def submission(task_id: str, type: str = "mail", **changes: Any) -> Submission:
    """A task that is ready at once in ``default`` at NORMAL."""
    fields: dict[str, Any] = {"queue": "default", "priority": 1, "spec": SPEC, **changes}
    return Submission(task_id, type, **fields)


def outcome(
    claim: Claim,
    word: OutcomeWord = "completed",
    *,
    detail: bytes | None = None,
    body: bytes | None = None,
    token: bytes | None = None,
    error: str = "",
) -> Outcome:
    """How an attempt ended, with what its outcome needs."""
    details = {
        "failed": b"+60000",
        "deferred": b"+30000",
        "dead": b"retries_exhausted",
        "cancelled": b"requested",
        "returned": b"drained",
    }
    bodies = {"failed": b'{"error":1}', "dead": b'{"error":1}', "completed": b"42"}
    return Outcome(
        token or claim.token,
        claim.id,
        claim.type,
        word,
        details.get(word, b"") if detail is None else detail,
        bodies.get(word, b"") if body is None else body,
        line_tail(1_700_000_000_000, 500, word, error),
    )


class Scene:
    """A broker on an empty namespace, with what tests say about it in few words.

    Args:
        broker: Connected.
        client_of: A plain client of the server that has a slot.
        after: A scene on the same server whose names and call numbers go on.
    """

    def __init__(
        self,
        broker: Broker,
        client_of: Callable[[int], redis.Redis],
        after: "Scene | None" = None,
    ) -> None:
        self.broker = broker
        self.names: Names = after.names if after else Names()
        self._client_of = client_of
        self._numbers: Counter[tuple[int, str]] = after._numbers if after else Counter()
        #: Set by a test that leaves a fault behind on purpose: the last ``verify`` is left out.
        self.leaves_faults = False

    def client(self, partition: int = 0) -> Any:
        """A plain ``redis.Redis`` of the server that has this partition, without its wrong annotations."""
        return self._client_of(self.broker.keys[partition].slot)

    def key(self, name: str, partition: int = 0) -> str:
        """A key's full name; task names in ``task:<name>`` are replaced by their ids."""
        if name.startswith("task:"):
            name = f"task:{self.id(name.removeprefix('task:'), partition)}"
        return self.broker.keys[partition].prefix + name

    def id(self, name: str, partition: int = 0) -> str:
        """A task's id by the test's name for it."""
        return self.names.id(name, partition)

    def named(self, claims: Iterable[Claim]) -> list[str]:
        """The names of claimed tasks."""
        return [self.names.name(claim.id) for claim in claims]

    def state(self, partition: int = 0) -> State:
        """Everything the partition holds."""
        return snapshot(self.client(partition), self.broker.keys[partition], self.names)

    def changes(self, before: State, partition: int = 0) -> dict[str, str | None]:
        """What is different since ``before``."""
        return changes(before, self.state(partition))

    async def submit(self, *names: str, partition: int = 0, **fields: Any) -> list[Submitted]:
        """Submit tasks by their names, all alike."""
        return await self.broker.submit(
            partition, [submission(self.id(name, partition), **fields) for name in names]
        )

    async def claim(
        self, incarnation: str = ME, want: int = 10, *, partition: int = 0, **options: Any
    ) -> Claimed:
        """Claim under the next call number; ``number`` sets another one."""
        number = options.pop("number", None)
        if number is None:
            self._numbers[partition, incarnation] += 1
            number = self._numbers[partition, incarnation]
        claimed = await self.broker.claim(partition, incarnation, number, want, **options)
        for claim in claimed.claims:
            self.names.note_entry(claim.token.decode().rpartition("/")[0], claim.id.decode())
        return claimed

    async def running(
        self, *names: str, incarnation: str = ME, partition: int = 0, **fields: Any
    ) -> dict[str, Claim]:
        """Submit and claim tasks; the claims by name."""
        await self.submit(*names, partition=partition, **fields)
        claimed = await self.claim(incarnation, len(names), partition=partition)
        claims = {self.names.name(claim.id): claim for claim in claimed.claims}
        assert sorted(claims) == sorted(names)
        return claims

    async def settle(
        self, *outcomes: Outcome, incarnation: str = ME, partition: int = 0
    ) -> list[SettleStatus]:
        """Record outcomes."""
        return await self.broker.settle(partition, incarnation, outcomes)

    async def renew(
        self, *claims: Claim, incarnation: str = ME, partition: int = 0, rotation: int = 0
    ) -> Renewed:
        """Renew claims as the renew thread does."""
        pairs = [(claim.id, claim.token) for claim in claims]
        return await self.broker.run(
            self.broker.calls.renew(partition, incarnation, pairs, rotation)
        )

    def now_ms(self, partition: int = 0) -> int:
        """Redis' time."""
        seconds, micros = self.client(partition).time()
        return int(seconds) * 1000 + int(micros) // 1000

    def age(self, *claims: Claim, idle_ms: int, incarnation: str = ME, partition: int = 0) -> None:
        """Let claims look as if they had not been renewed for so long."""
        for claim in claims:
            stream, entry, _ = claim.token.decode().split("/")
            key = self.key(f"stream:{stream}", partition)
            self.client(partition).xclaim(
                key, GROUP, incarnation, 0, [entry], idle=idle_ms, justid=True
            )

    def silence(self, incarnation: str, silent_ms: int, partition: int = 0) -> None:
        """Let an incarnation look as if it had been silent for so long, in a partition without grace."""
        client, now = self.client(partition), self.now_ms(partition)
        client.zadd(self.key("beats", partition), {incarnation: now - silent_ms})
        client.set(self.key("contact", partition), now)
        client.set(self.key("grace_until", partition), now - 60_000)

    async def ended(self, word: OutcomeWord, *names: str, **fields: Any) -> dict[str, Claim]:
        """Submit, claim and settle tasks, all with this outcome; their claims by name."""
        claims = await self.running(*names, **fields)
        statuses = await self.settle(*(outcome(claim, word) for claim in claims.values()))
        assert set(statuses) == {"ok"}
        return claims
