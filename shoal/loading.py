"""Finds the application that ``MODULE:APP`` names."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import re
import sys
import traceback
from types import ModuleType
from typing import TYPE_CHECKING, Any

from shoal.errors import ExitStatus, StartupError

if TYPE_CHECKING:
    from shoal.app import Shoal

_SPEC = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*(?:\.\w+)*)")


def parse_spec(spec: str) -> tuple[str, str]:
    """The module and the name in it; nothing is imported.

    Raises:
        StartupError: It has not the form ``MODULE:APP``.
    """
    match = _SPEC.fullmatch(spec)
    if match:
        return match["module"], match["name"]
    example = "examples.app:app"
    path, _, name = spec.partition(":")
    if path.endswith(".py") or "/" in path:
        module = path.removesuffix(".py").strip("./").replace("/", ".")
        example = f"{module}:{name or 'app'}"
    elif re.fullmatch(r"[\w.]+", spec):
        example = f"{spec}:app"
    raise StartupError(
        f"{spec!r} is not of the form MODULE:APP",
        f"Write {example}, say.",
        ExitStatus.MODULE_NOT_FOUND,
    )


def load_app(spec: str) -> Shoal:
    """Import the module and return the application in it.

    The current directory is searched first, as ``python -m`` does. What the module itself
    raised is the ``__cause__`` of the error.

    Raises:
        StartupError: One line that says what is wrong: the form, the module, the name, what it
            is, or what the module raised and where.
    """
    module_name, name = parse_spec(spec)
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109 - sys.path holds texts
        sys.path.insert(0, here)
    module = _import(module_name)
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise StartupError(
                f"{module_name} has no {part!r}{_near(part, found)}",
                "Name the Shoal() in it.",
                ExitStatus.MODULE_NOT_FOUND,
            ) from None
    from shoal.app import Shoal

    if not isinstance(found, Shoal):
        kind = "the class Shoal" if found is Shoal else f"a {type(found).__name__}"
        raise StartupError(
            f"{spec} is {kind}, not a Shoal application",
            "Name what `app = Shoal()` made.",
            ExitStatus.MODULE_NOT_FOUND,
        )
    return found


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise StartupError(
                f"there is no module {error.name!r}",
                f"It is sought in {os.getcwd()} and on PYTHONPATH.",  # noqa: PTH109 - shown
                ExitStatus.MODULE_NOT_FOUND,
            ) from None
        raise _failed(name, error) from error
    except Exception as error:
        raise _failed(name, error) from error
    except SystemExit as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> StartupError:
    """Where in the user's code importing stopped; a traceback in one line."""
    logging.getLogger(__name__).debug("importing %s failed", name, exc_info=error)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and frame.filename != __file__
    ]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        place = f" ({error.filename}, line {error.lineno})"
        text = error.msg
    else:
        text = " ".join(str(error).split())
    return StartupError(
        f"importing {name} failed: {type(error).__name__}: {text}{place}",
        "LOG_LEVEL=debug shows the traceback.",
        ExitStatus.MODULE_NOT_FOUND,
    )


def _near(name: str, found: object) -> str:
    from shoal.app import Shoal

    apps = [key for key, value in vars(found).items() if isinstance(value, Shoal)] if isinstance(
        found, ModuleType
    ) else []  # fmt: skip
    near = apps or difflib.get_close_matches(name, dir(found), 1)
    return f", but {near[0]!r}" if near else ""
