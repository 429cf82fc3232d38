"""The file by which a supervisor is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal.config import Settings
from shoal.supervisor.run_file import RunFile, RunState, read_state, run_file_path


def _settings(folder: Path) -> Settings:
    return Settings().replace(worker__run_dir=str(folder / "run"), worker__id="w")


def test_it_is_there_while_its_supervisor_lives(tmp_path: Path) -> None:
    """Who holds it is read from it; when it is closed nobody is found."""
    settings = _settings(tmp_path)
    path = run_file_path(settings)
    assert read_state(path) is None
    file = RunFile.take(settings)
    assert file is not None
    file.write(RunState(7, 2, 1, "done", "x" * 10_000))
    state = read_state(path)
    assert state is not None
    assert (state.pid, state.asked, state.ended, state.outcome) == (7, 2, 1, "done")
    file.write(RunState(7, 3))
    assert read_state(path) == RunState(7, 3)
    file.close()
    assert read_state(path) is None
    assert not path.exists()


def test_one_that_a_dead_supervisor_left_is_nobodys(tmp_path: Path) -> None:
    """A file that nobody holds names nobody, and the next supervisor takes it."""
    settings = _settings(tmp_path)
    path = run_file_path(settings)
    path.parent.mkdir()
    path.write_text('{"pid": 1}')
    assert read_state(path) is None
    file = RunFile.take(settings)
    assert file is not None
    assert read_state(path) is not None
    file.close()


def test_a_second_supervisor_of_the_same_name_works_without(tmp_path: Path) -> None:
    """The file stays with the one that has it."""
    settings = _settings(tmp_path)
    first = RunFile.take(settings)
    assert first is not None
    assert RunFile.take(settings) is None
    first.close()


def test_a_folder_that_cannot_be_made_is_no_reason_not_to_work(tmp_path: Path) -> None:
    """Where there is a file instead of the folder, the supervisor is not found and starts."""
    (tmp_path / "run").write_text("")
    assert RunFile.take(_settings(tmp_path)) is None


def test_another_file_is_refused(tmp_path: Path) -> None:
    """What is held and is no such file is an error, not a process to send signals to."""
    settings = _settings(tmp_path)
    file = RunFile.take(settings)
    assert file is not None
    run_file_path(settings).write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="Expecting value"):
        read_state(run_file_path(settings))
    file.close()
