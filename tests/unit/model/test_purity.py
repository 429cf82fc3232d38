"""The model's boundary."""

import ast
from pathlib import Path

import pytest

import shoal.model

MODULES = sorted(Path(shoal.model.__file__).parent.glob("*.py"))

#: Modules that neither do I/O nor read a clock.
PURE = {
    "__future__",
    "bisect",
    "itertools",
    "base64",
    "binascii",
    "collections",
    "cronsim",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "json",
    "math",
    "random",
    "re",
    "types",
    "typing",
    # Reads the time zone database, which is data and no state.
    "zoneinfo",
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_model_imports_only_itself_and_pure_modules(path: Path) -> None:
    """No module of the model can do I/O, wait, or read a clock by what it imports."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    foreign = {
        name
        for name in imported
        if name.split(".")[0] not in PURE and not name.startswith("shoal.model.")
    }
    assert not foreign
