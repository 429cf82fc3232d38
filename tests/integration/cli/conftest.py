"""The command line in the test's own process, on a real server."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from shoal.broker.broker import Broker
from shoal.cli.main import main
from shoal.errors import ExitStatus
from tests.integration.broker.conftest import end_with_proof
from tests.support.api import Ports
from tests.support.builders import Scene, settings_for
from tests.support.processes import shoal
from tests.support.servers import RedisServer


class Said(NamedTuple):
    """What a command printed, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its document."""
        assert self.status == ExitStatus.OK, self.err
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def run(
    redis7: RedisServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command on a namespace with two partitions."""
    for name, value in {
        "REDIS_URL": redis7.url,
        "SHOAL_NAMESPACE": "t",
        "SHOAL_PARTITIONS": "2",
        "SHOAL_TOMBSTONE": "1s",
    }.items():
        monkeypatch.setenv(name, value)

    def run_command(*arguments: str) -> Said:
        capsys.readouterr()
        status = main(arguments)
        out, err = capsys.readouterr()
        return Said(status, out, err)

    return run_command


SceneMaker = Callable[[], Any]


@pytest.fixture
def scene_here(redis7: RedisServer) -> SceneMaker:
    """Opens a scene on the namespace that commands see; ends with its proof."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Scene]:
        with redis7.client() as client:
            broker = await Broker.connect(settings_for(redis7.url, partitions=2))
            try:
                scene = Scene(broker, lambda _slot: client)
                yield scene
                await end_with_proof(scene, [client])
            finally:
                await broker.aclose()

    return opened


@pytest.fixture
def ports() -> Iterator[Ports]:
    """Of the API."""
    with Ports() as held:
        yield held


@pytest.fixture
def proven(valkey: RedisServer) -> Iterator[RedisServer]:
    """A server for processes of the test's own, on which ``shoal verify`` finds nothing at the end."""
    yield valkey
    with shoal("verify", env={"REDIS_URL": valkey.url}) as child:
        assert child.wait() == ExitStatus.OK, child.stdout
