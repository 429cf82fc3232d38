"""Plays verbs on the server and on the model, and compares the two after each."""

import asyncio
import copy
from dataclasses import dataclass, field
from typing import Any

from shoal.broker.broker import Broker
from shoal.broker.calls import Call, Calls
from shoal.broker.keys import PartitionKeys
from shoal.broker.verify import verify
from shoal.broker.verify_report import Code
from shoal.config import Settings
from tests.model.clocked_server import START_MS, ClockedServer
from tests.model.observed import as_model, differences
from tests.model.operator_verbs import VERBS
from tests.model.world import AGE_MS, KEEP, LEASE_MS, TOMBSTONE_MS, World
from tests.support.builders import settings_for

#: How many steps pass between two walks of `verify`.
STEPS_A_VERIFY = 25


class Diverged(AssertionError):
    """The server is not as the model says."""


@dataclass
class Handle:
    """A claim that a worker knows of: it may end, whoever has the task by now."""

    incarnation: str
    token: str
    task: str
    type: str


def model_settings(url: str) -> Settings:
    """What the model's constants say."""
    return settings_for(
        url,
        worker__lease_s=LEASE_MS / 1000,
        retention__tombstone_s=TOMBSTONE_MS / 1000,
        retention__count=KEEP,
        retention__days=AGE_MS / 86_400_000,
    )


@dataclass
class Player:
    """One example: an empty partition, and what has been done to it."""

    server: ClockedServer
    broker: Broker
    loop: asyncio.AbstractEventLoop
    world: World = field(default_factory=lambda: World(START_MS))
    ids: list[str] = field(default_factory=list)
    handles: list[Handle] = field(default_factory=list)
    sent: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    steps: int = 0
    _kept: tuple[World, list[tuple[bytes, bytes, int]]] | None = None

    def __post_init__(self) -> None:
        self.keys = PartitionKeys(self.broker.settings.namespace, 0)
        self.calls = Calls(self.broker.settings, 1)
        self.server.client.flushdb()
        self.server.set_ms(self.world.now)
        self.server.run("partition_create", self.keys.marker, 1)

    def play(self, call: Call[Any]) -> Any:
        """Run a call as the broker builds it."""
        return self.send(call.script.name, *map(_text, call.arguments))

    def send(self, verb: str, *arguments: str) -> Any:
        """Run a verb on both; returns the reply on which they agree."""
        right = VERBS[verb](self.world, *arguments)
        real = as_model(verb, self.server.run(verb, self.keys.marker, *arguments))
        self.sent = [*self.sent[-39:], (verb, arguments)]
        if real != right:
            raise Diverged(f"{verb}{arguments}\n  answers {real}\n  right is {right}")
        self.compare(verb)
        return real

    def send_to_stopped(self, seconds: int, call: Call[Any]) -> None:
        """A call that a server carries out when it goes on; its reply is lost."""
        self.world.now += seconds * 1000
        arguments = tuple(map(_text, call.arguments))
        VERBS[call.script.name](self.world, *arguments)
        self.server.run_while_stopped(
            self.world.now, call.script.name, self.keys.marker, *arguments
        )
        self.sent.append((call.script.name, arguments))
        self.compare(call.script.name)

    def compare(self, what: str) -> None:
        """One step is done: is the whole state as the model has it?"""
        self.steps += 1
        if found := differences(self.server, self.keys.marker, self.world, self.ids):
            raise Diverged(f"after {what}:\n" + "\n".join(found[:10]))
        if self.steps % STEPS_A_VERIFY == 0:
            self.verify()

    def verify(self) -> None:
        """No invariant is broken; that a silent worker is left in peace for a while is no fault here."""
        if not self.world.is_sound():
            return
        report = self.loop.run_until_complete(verify(self.broker))
        if findings := [str(f) for f in report.findings if f.code is not Code.SILENT]:
            raise Diverged("verify finds:\n" + "\n".join(findings))

    def move_clock(self, seconds: int) -> None:
        """Time passes, or goes back."""
        self.world.now += seconds * 1000
        self.server.set_ms(self.world.now)

    def keep_copy(self) -> None:
        """What a replica has that will lag behind from now on."""
        client = self.server.client
        keys = [key for key in client.keys("*") if b"{t}" not in key]
        rows = [(key, client.dump(key), client.pexpiretime(key)) for key in keys]
        self._kept = (copy.deepcopy(self.world), rows)

    def fail_over(self) -> bool:
        """That replica becomes the master: what came after the copy is lost, and the clock goes on."""
        if self._kept is None:
            return False
        world, rows = self._kept
        client = self.server.client
        client.flushdb()
        for key, value, at in rows:
            client.restore(key, max(at, 0), value, absttl=at > 0)
        now, self.world = self.world.now, copy.deepcopy(world)
        self.world.now = now
        return True

    def drop_hash(self, task_id: str) -> None:
        """A hash is taken away by force."""
        self.server.client.delete(self.keys.task(task_id))
        del self.world.tasks[task_id]


def _text(argument: object) -> str:
    return argument.decode() if isinstance(argument, bytes) else str(argument)
