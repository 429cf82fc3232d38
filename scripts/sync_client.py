"""Makes shoal/client/sync/ from shoal/client/aio/: the same, without asyncio.

Without an argument the files are written; with ``--check`` they are compared, and the exit status is 1 if a
committed file differs.
"""

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parent.parent / "shoal" / "client"
SOURCE, TARGET = CLIENT / "aio", CLIENT / "sync"
MARK = "# Made by scripts/sync_client.py from shoal/client/aio/: change that.\n"

#: What becomes of each word, in order.
WORDS = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bhttpx\.AsyncClient\b", "httpx.SYNC"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\bAsyncGenerator\b", "Generator"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"\bimport asyncio\b", "import time"),
    (r"\ba(close|read|iter_sse)\b", r"\1"),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\bclient\.aio\b", "client.sync"),
    (r"\bClient\b", "SyncClient"),
    (r"\bHandle\b", "SyncHandle"),
    (r"\bSYNC\b", "Client"),
    (r"The client for asyncio; ``scripts/sync_client.py`` makes ``shoal.client.sync`` from it.",
     "The client for programs without asyncio, threads included."),
    (r"One serves one event loop; ``with``", "Threads may share one; ``with``"),
    (r"``async with``", "``with``"),
)  # fmt: skip


def made_from(text: str) -> str:
    """The text of a file without asyncio, not yet formatted."""
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    docstring, _, rest = text.partition("\n")
    return f"{docstring}\n\n{MARK}{rest}"


def formatted(text: str, path: Path) -> str:
    """As ruff would have it, imports too."""
    ruff = Path(sys.executable).with_name("ruff")
    for command in (
        ["check", "--quiet", "--fix-only", "--select", "I,F401"],
        ["format", "--quiet"],
    ):
        text = subprocess.run(
            [ruff, *command, "--stdin-filename", path, "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return text


def main(arguments: list[str]) -> int:
    """Write or compare."""
    is_check = arguments == ["--check"]
    differing = []
    for source in sorted(SOURCE.glob("*.py")):
        target = TARGET / source.name
        text = formatted(made_from(source.read_text()), target)
        if is_check:
            if not target.exists() or target.read_text() != text:
                differing.append(target.name)
        else:
            target.write_text(text)
    if differing:
        print(f"{', '.join(differing)} differ: run scripts/sync_client.py")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
