"""The API's key, and the secret of tokens, that ``shoal up`` makes when none is set."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from shoal.errors import ExitStatus, StartupError

#: In the data directory.
KEY_FILE = "api.key"
#: The same for JWT_SECRET.
SECRET_FILE = "jwt.secret"  # noqa: S105 - a file's name


def stored_key(file: Path) -> str:
    """The key in this file; a new one when there is none, readable by its owner only.

    Raises:
        StartupError: It can't be read or written.
    """
    try:
        if key := read_key(file):
            return key
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = secrets.token_urlsafe(32)
        new = file.with_suffix(".new")
        # Not by writing to a file that stands there: it might be open to others.
        new.unlink(missing_ok=True)
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as out:
            out.write(f"{key}\n")
        new.replace(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise StartupError(
            f"the API's key can't be kept in {file}: {reason}",
            "Set API_KEY, or choose another --data-dir.",
            ExitStatus.SYSTEM,
        ) from None
    return key


def read_key(file: Path) -> str:
    """What stands in the file; nothing, when there is none."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
