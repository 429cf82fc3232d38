"""MODULE:APP finds an application, or says in one line why not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shoal import Shoal
from shoal.errors import ExitStatus, StartupError
from shoal.loading import load_app, parse_spec


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Writes a module into the current directory."""
    import sys

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield lambda name, text: (tmp_path / name).write_text(text)
    for name in set(sys.modules) - before:
        if name.startswith("loaded_"):
            del sys.modules[name]


def failure(spec: str) -> StartupError:
    """What loading this says."""
    with pytest.raises(StartupError) as caught:
        load_app(spec)
    assert caught.value.exit_status is ExitStatus.MODULE_NOT_FOUND
    assert "\n" not in str(caught.value) + caught.value.remedy
    return caught.value


def test_an_application_in_the_current_directory_is_found(write) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    """As `python -m` would; also one inside another object."""
    write("loaded_good.py", "from shoal import Shoal\napp = Shoal()\nclass A: inner = app\n")
    assert isinstance(load_app("loaded_good:app"), Shoal)
    assert load_app("loaded_good:A.inner") is load_app("loaded_good:app")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("myapp", "Write myapp:app, say."),
        ("src/my_app.py", "Write src.my_app:app, say."),
        ("./my_app.py:tasks", "Write my_app:tasks, say."),
        ("", "Write examples.app:app, say."),
        ("a b:c", "Write examples.app:app, say."),
        ("a:", "Write examples.app:app, say."),
    ],
)
def test_another_form_is_told_how_to_write_it(spec: str, words: str) -> None:
    """Nothing is imported for that."""
    with pytest.raises(StartupError, match="not of the form MODULE:APP") as caught:
        parse_spec(spec)
    assert caught.value.remedy == words


def test_a_missing_module_is_told_from_a_missing_dependency(write) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    """The one is looked for in the current directory; the other is the module's own trouble."""
    assert "there is no module 'loaded_none'" in str(failure("loaded_none:app"))
    write("loaded_needs.py", "import not_installed_here\n")
    error = failure("loaded_needs:app")
    assert "importing loaded_needs failed: ModuleNotFoundError" in str(error)
    assert "not_installed_here" in str(error)
    assert "loaded_needs.py, line 1" in str(error)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("x = (\n", "SyntaxError: '(' was never closed"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("raise ValueError('two\\nlines')\n", "ValueError: two lines"),
        (
            "from shoal import Shoal\napp = Shoal()\napp.task('a b')(lambda ctx, payload: 1)\n",
            "InvalidTask: task 'a b'",
        ),
    ],
)
def test_what_the_module_raises_is_one_line_with_its_place(  # type: ignore[no-untyped-def]
    write,  # noqa: ANN001
    text: str,
    words: str,
) -> None:
    """The traceback is the cause, for who asks for it."""
    write("loaded_bad.py", text)
    error = failure("loaded_bad:app")
    assert words in str(error)
    assert "line " in str(error)
    assert error.__cause__ is not None


def test_a_wrong_name_and_a_wrong_thing_are_told(write) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    """With the name that was probably meant."""
    write("loaded_names.py", "from shoal import Shoal\nqueue = Shoal()\nnumber = 7\n")
    assert "has no 'app', but 'queue'" in str(failure("loaded_names:app"))
    assert "is a int, not a Shoal application" in str(failure("loaded_names:number"))
    assert "is the class Shoal" in str(failure("loaded_names:Shoal"))
