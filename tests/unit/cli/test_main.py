"""The command line ends every error in one line and a named status."""

import subprocess
import sys

import pytest

from shoal.cli import output
from shoal.cli.main import main
from shoal.errors import ExitStatus


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without settings, whose Redis is nowhere."""
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.delenv("LOG_LEVEL", raising=False)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["worker", "nope"], ExitStatus.MODULE_NOT_FOUND, "Write nope:app, say."),
        (["worker", "-c", "0", "a:b"], ExitStatus.CONFIGURATION, "WORKER_CONCURRENCY must be"),
        (["up", "-n", "x", "a:b"], ExitStatus.CONFIGURATION, "SHOAL_SHARDS must be"),
        (["queues"], ExitStatus.REDIS_UNREACHABLE, "Check REDIS_URL"),
        (["task", "7"], ExitStatus.INVALID_TASK, "invalid task id '7'"),
        (["submit", "t", "{bad"], ExitStatus.INVALID_TASK, "payload: no valid JSON"),
        (["submit", "a b"], ExitStatus.INVALID_TASK, "invalid task type"),
        (["submit", "t", "1", "-p", "URGENT"], ExitStatus.INVALID_TASK, "URGENT"),
    ],
)
def test_errors_are_one_line_with_a_remedy(
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: ExitStatus,
    words: str,
) -> None:
    """No traceback, nothing on standard output, and the status that is documented for it."""
    assert main(arguments) == status
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith("error: ")
    assert words in line


def test_several_wrong_settings_are_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each, all at once."""
    monkeypatch.setenv("SHOAL_LEASE", "1s")
    monkeypatch.setenv("SHOAL_PARTITIONS", "0")
    assert main(["queues"]) == ExitStatus.CONFIGURATION
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: 2 settings are wrong:"
    assert len(lines) == 3


@pytest.mark.parametrize("arguments", [["frobnicate"], ["task"], ["queues", "--yaml"]])
def test_a_wrong_command_line_is_a_configuration_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """With click's usual words."""
    assert main(arguments) == ExitStatus.CONFIGURATION
    assert "Usage: shoal" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """And none is hidden behind an import that fails."""
    assert main(["--help"]) == ExitStatus.OK
    text = capsys.readouterr().out
    for name in (
        "up",
        "worker",
        "api",
        "submit",
        "task",
        "queues",
        "workers",
        "verify",
        "partition",
    ):
        assert f"\n  {name} " in text


def test_debug_shows_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only who asks for it gets it."""
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert main(["task", "7"]) == ExitStatus.INVALID_TASK
    assert "Traceback" in capsys.readouterr().err


def test_the_worker_command_loads_neither_loop_nor_redis() -> None:
    """What it costs before the supervisor begins is click and the settings."""
    code = (
        "import sys; from shoal.cli import worker, main; "
        "print([m for m in ('asyncio', 'redis', 'uvloop', 'rich', 'orjson') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tables_for_programs_have_aligned_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal: no colours, no frames, two spaces between."""
    output.print_table(("name", "n"), [("a", 10), ("longer", None), ("b", True)], "nothing")
    assert capsys.readouterr().out == "name    n\na       10\nlonger  -\nb       yes\n"
    output.print_table(("name",), [], "nothing here")
    assert capsys.readouterr() == ("", "nothing here\n")
