"""``shoal up`` takes over new code and settings, by the command and by watching the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal.errors import ExitStatus
from tests.integration.cli.test_up import MODULE, submit
from tests.support.api import Ports
from tests.support.processes import shoal


def test_new_settings_and_the_same_server_and_secrets(tmp_path: Path, ports: Ports) -> None:
    """What ``shoal up`` made itself is no changed setting; shards and API go on beside each other."""
    (tmp_path / "tasks.py").write_text(MODULE)
    env = {**ports.env, "SHOAL_RUN_DIR": str(tmp_path / "run"), "WORKER_ID": "up"}
    with shoal("up", "-n", "1", "tasks:app", env=env, cwd=tmp_path) as host:
        host.wait_for_output("shard 0 is ready")
        host.wait_for_output("The API is up")
        (tmp_path / "shoal.toml").write_text("worker_concurrency = 3\n")
        (tmp_path / "tasks.py").write_text(MODULE.replace("payload * 2", "payload * 30"))
        with shoal("reload", "--wait", env=env, cwd=tmp_path) as command:
            assert command.wait() == ExitStatus.OK, command.stderr
            assert "Reload done: all shards are replaced" in command.stdout
        assert "changed settings, for new shards: WORKER_CONCURRENCY" in host.stderr
        assert "only a restart changes" not in host.stderr
        assert submit(tmp_path, "double", "2", "--wait") == "60"
        host.terminate()
        assert host.wait() == ExitStatus.OK
        assert "Traceback" not in host.stderr


@pytest.mark.parametrize("first", ["def broken(:\n", "import nothing_of_this_name\n"])
def test_watched_files(tmp_path: Path, ports: Ports, first: str) -> None:
    """``shoal up --reload``: what is broken is shown and costs nothing, what is mended runs."""
    (tmp_path / "tasks.py").write_text(MODULE)
    env = {**ports.env, "SHOAL_RUN_DIR": str(tmp_path / "run")}
    with shoal("up", "--reload", "-n", "1", "tasks:app", env=env, cwd=tmp_path) as host:
        host.wait_for_output("shard 0 is ready")
        host.wait_for_output("for changes")
        host.wait_for_output("The API is up")
        (tmp_path / "tasks.py").write_text(first)
        host.wait_for_output("reload refused, everything stays as it was: ")
        assert submit(tmp_path, "double", "2", "--wait") == "4"
        (tmp_path / "tasks.py").write_text(MODULE.replace("payload * 2", "payload * 30"))
        host.wait_for_output("reload done")
        assert submit(tmp_path, "double", "2", "--wait") == "60"
        host.terminate()
        assert host.wait() == ExitStatus.OK
