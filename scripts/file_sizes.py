"""Keeps files small: one purpose a file.

More than 400 lines is a question, more than 500 an error; an exception is listed in ``ALLOWED``
with its reason.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WARN_LINES = 400
FAIL_LINES = 500
SUFFIXES = {".py", ".lua", ".sh", ".ts", ".tsx"}

#: Path → why it may be longer.
ALLOWED: dict[str, str] = {}


def source_files() -> list[Path]:
    """Every source file that git tracks or would track; links lead to files listed elsewhere."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file() and is_source(path)]


def is_source(path: Path) -> bool:
    """Whether a file is code: by its suffix, or a script by its first line."""
    if path.suffix:
        return path.suffix in SUFFIXES
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def main() -> int:
    """Print what is too long; 1 if something is longer than allowed."""
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_bytes().splitlines()) for path in source_files()
    }
    too_long = 0
    for name, lines in sorted(sizes.items(), key=lambda item: -item[1]):
        if lines <= WARN_LINES:
            break
        if name in ALLOWED:
            print(f"{name}: {lines} lines, allowed: {ALLOWED[name]}")
        elif lines > FAIL_LINES:
            print(f"{name}: {lines} lines: split it by purpose (at most {FAIL_LINES})")
            too_long += 1
        else:
            print(f"{name}: {lines} lines: a warning; does it have one purpose?")
    for name in ALLOWED.keys() - {name for name, lines in sizes.items() if lines > FAIL_LINES}:
        print(f"{name} is in ALLOWED and need not be: take it out")
        too_long += 1
    print(f"{len(sizes)} files, the longest has {max(sizes.values(), default=0)} lines")
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
