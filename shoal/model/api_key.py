"""An API key as it is stored: what it allows, and a hash of it, never the key."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

from shoal.model.task import format_time, from_unix_ms

#: At most so many keys in a namespace.
MAX_API_KEYS: Final = 1000
#: Of an id and of a secret, in characters.
ID_LENGTH: Final = 10
SECRET_LENGTH: Final = 40
MAX_NAME_CHARS: Final = 64
ID_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
SECRET_ALPHABET: Final = ID_ALPHABET + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_KEY = re.compile(r"shoal_([a-z0-9]{10})_[A-Za-z0-9]{40}")
_ID = re.compile(r"(?:shoal_)?([a-z0-9]{10})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRecord:
    """What is known of a key; kept in Redis as JSON. Times are Unix milliseconds."""

    id: str
    #: What people call it.
    name: str
    #: A role's word.
    role: str
    #: Words of scopes; empty = all.
    scopes: tuple[str, ...] = ()
    #: SHA-256 of the whole key, in hex.
    digest: str
    created_ms: int
    #: ``None`` = never.
    expires_ms: int | None = None

    @property
    def prefix(self) -> str:
        """How the key begins: enough to tell which it is, and no help in guessing it."""
        return f"shoal_{self.id}"

    def to_json(self, used_ms: int) -> dict[str, Any]:
        """As ``shoal keys list --json`` shows it.

        Args:
            used_ms: When it was last used; 0 = never.
        """
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role,
            "scopes": list(self.scopes),
            "prefix": self.prefix,
            "created": format_time(from_unix_ms(self.created_ms)),
            "expires": None
            if self.expires_ms is None
            else format_time(from_unix_ms(self.expires_ms)),
            "last_used": format_time(from_unix_ms(used_ms)) if used_ms else None,
        }


def digest_of(key: str) -> str:
    """What is stored of a key. It has 238 random bits, so a plain hash is enough."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def id_in(key: str) -> str | None:
    """The id that a whole key carries; ``None`` = this is no key of that form."""
    match = _KEY.fullmatch(key)
    return None if match is None else match[1]


def check_key_id(text: str) -> str:
    """The id in an id or a prefix (``shoal_ab12…``).

    Raises:
        ValueError: It has neither form.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise ValueError(f"invalid key id {text!r:.80}: it is what `shoal keys list` shows")
    return match[1]


def check_key_name(text: str) -> str:
    """Return a key's name as it came.

    Raises:
        ValueError: It is empty, too long, or holds what can't be printed.
    """
    if 0 < len(text) <= MAX_NAME_CHARS and text.isprintable() and text == text.strip():
        return text
    raise ValueError(f"a key's name is 1 to {MAX_NAME_CHARS} printable characters")
