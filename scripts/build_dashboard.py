"""Builds the dashboard into api/static/, unless what is there was built from the same sources.

    scripts/build_dashboard.py              needs Node 20.19 or newer, and npm, when it has to build
    scripts/build_dashboard.py --if-node    without Node says so, and leaves it

``setup.py`` runs it before a wheel or an sdist is built.
"""

import gzip
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "dashboard"
#: Through the link in a clone, a folder in an sdist.
TARGET = ROOT / "shoal" / "api" / "static"
STAMP = TARGET / "sources.sha256"
OLDEST_NODE = (20, 19)
#: Of the page: what it is made of, and nothing that is made from it.
PATTERNS = ("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "index.html")


class BuildFailed(Exception):
    """There is no dashboard that fits the sources; the text says what to do."""


def sources() -> list[Path]:
    """Every file that the build reads."""
    below = [path for path in (SOURCE / "src").rglob("*") if path.is_file()]
    return sorted([*(SOURCE / name for name in PATTERNS), *below])


def checksum() -> str:
    """Of all sources, with their names."""
    total = hashlib.sha256()
    for path in sources():
        total.update(f"{path.relative_to(SOURCE).as_posix()}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def is_built() -> bool:
    """Whether the built files stand there, and are of these sources."""
    if not (TARGET / "index.html").is_file():
        return False
    return not SOURCE.is_dir() or (STAMP.is_file() and STAMP.read_text() == checksum())


def has_node() -> bool:
    """Whether there is a Node that is new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST_NODE


def build() -> None:
    """Install the packages of the lock file and build.

    Raises:
        BuildFailed: There is no Node, or a step failed.
    """
    if not has_node():
        raise BuildFailed(
            "the dashboard is not built, and there is no Node 20.19 or newer with npm to build it: "
            "install one, or build from the sdist, which holds the built files"
        )
    for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
        run = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            said = f"{run.stdout}{run.stderr}"
            raise BuildFailed(f"{' '.join(command)} failed in dashboard/:\n{said}")
    pack()
    STAMP.write_text(checksum())


def pack() -> None:
    """Lay a .gz beside each file that becomes smaller by it; the same input gives the same bytes."""
    for path in list((TARGET / "assets").iterdir()):
        if path.suffix == ".gz" or path.with_name(path.name + ".gz").exists():
            continue
        body = path.read_bytes()
        packed = gzip.compress(body, 9, mtime=0)
        if len(packed) < len(body) * 0.9:
            path.with_name(path.name + ".gz").write_bytes(packed)


def main() -> int:
    """Build if need be; 1 when it can't."""
    if is_built():
        pack()
        return 0
    if "--if-node" in sys.argv[1:] and not has_node():
        print(
            "Without the dashboard: it is not built, and there is no Node 20.19 or newer here.",
            file=sys.stderr,
        )
        return 0
    print("Building the dashboard …", file=sys.stderr)
    try:
        build()
    except BuildFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
