"""What ``import shoal`` gives, and what it costs."""

import subprocess
import sys

import pytest

import shoal


@pytest.mark.parametrize("name", shoal.__all__)
def test_every_exported_name_exists(name: str) -> None:
    """Each name in __all__ is found where it is defined, and listed by dir()."""
    assert getattr(shoal, name) is not None
    assert name in dir(shoal)


def test_importing_shoal_loads_nothing_else() -> None:
    """What is exported is loaded when it is first asked for, not by the import."""
    program = "import sys, shoal; print([m for m in sys.modules if m.startswith('shoal.')])"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    """A wrong name raises AttributeError, as for any module."""
    with pytest.raises(AttributeError, match="'shoal' has no attribute 'nothing'"):
        _ = shoal.nothing
