"""With what the texts of tasks are encrypted in Redis."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.settings.keys import EncryptionKey, Keys
from shoal.settings.setting import setting


@dataclass(frozen=True, slots=True)
class EncryptionSettings:
    """With what the texts of tasks are encrypted in Redis."""

    keys: tuple[EncryptionKey, ...] = setting(
        "SHOAL_ENCRYPTION_KEYS", (), Keys(),
        "Encrypts payloads, results, errors and what handlers report: the first key encrypts, all of them "
        "decrypt; the same in every process. Needs the extra `encryption`; see howto/encryption.md.",
        is_secret=True, default_text="nothing is encrypted",
    )  # fmt: skip
