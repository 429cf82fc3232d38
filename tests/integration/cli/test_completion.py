"""The completion scripts, in a real shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shoal.cli.main import main
from shoal.errors import ExitStatus
from tests.support.processes import clean_environment

_ASK = """
eval "$(shoal completion bash)"
COMP_WORDS=(shoal {words}) COMP_CWORD={at}
_shoal_completion shoal
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def on_path(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has a ``shoal`` of this interpreter first."""
    command = tmp_path / "shoal"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m shoal "$@"\n')
    command.chmod(0o755)
    env = clean_environment()
    return {**env, "PATH": os.pathsep.join([str(tmp_path), env["PATH"]])}


@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [
        ("part", 1, ["partition"]),
        ("queues pa", 2, ["pause"]),
        ("queues peek --lim", 3, ["--limit"]),
        ("completion z", 2, ["zsh"]),
    ],
)
def test_bash_completes(on_path: dict[str, str], words: str, at: int, expected: list[str]) -> None:
    """Commands, their commands, options and choices come from the program itself, by real bash."""
    done = subprocess.run(
        ["bash", "--norc", "-c", _ASK.format(words=words, at=at)],
        env=on_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the program and the variable that the program answers to."""
    assert main(["completion", shell]) == ExitStatus.OK
    script = capsys.readouterr().out
    assert f"_SHOAL_COMPLETE={shell}_complete" in script


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the shells there are."""
    assert main(["completion", "csh"]) == ExitStatus.CONFIGURATION
    assert "zsh" in capsys.readouterr().err
