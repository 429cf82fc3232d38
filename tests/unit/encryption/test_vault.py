"""What is sealed opens with its key, for its task, as its field, and in no other way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import CannotDecrypt
from shoal.settings.keys import EncryptionKey
from shoal.vault import SEALED, SEALED_TEXT, Vault, open_bytes, open_text

K1, K2 = EncryptionKey("k1", b"1" * 32), EncryptionKey("k2", b"2" * 32)
VAULT = Vault([K1], "ns")
TASK, OTHER = "0" * 36, "1" * 36


@given(st.binary(max_size=300), st.text(max_size=100))
def test_what_is_sealed_opens_again(clear: bytes, text: str) -> None:
    """Any bytes and any text; the sealed form begins with its version and names the key."""
    sealed = VAULT.seal(TASK, "result", clear)
    assert sealed.startswith(b"\x01\x02k1")
    assert len(sealed) == len(clear) + 4 + 12 + 16
    assert open_bytes(VAULT, TASK, "result", sealed) == clear
    line = VAULT.seal_text(TASK, "log", text)
    assert line.isascii()
    assert not set("\n\r\x1f") & set(line)
    expected = text.encode("utf-8", "replace").decode()
    assert open_text(VAULT, TASK, "log", line) == expected


def test_the_same_text_is_sealed_differently_each_time() -> None:
    """Equal payloads can't be told from different ones."""
    assert len({VAULT.seal(TASK, "payload", b"same") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("vault", "task", "field"),
    [
        (VAULT, OTHER, "payload"),
        (VAULT, TASK, "result"),
        (Vault([K1], "elsewhere"), TASK, "payload"),
        (Vault([K2], "ns"), TASK, "payload"),
        (Vault([EncryptionKey("k1", K2.secret)], "ns"), TASK, "payload"),
        (None, TASK, "payload"),
    ],
    ids=["task", "field", "namespace", "key", "key of the same name", "no keys"],
)
def test_what_was_moved_or_has_another_key_is_refused(
    vault: Vault | None, task: str, field: str
) -> None:
    """The error names the key's id and never the text."""
    sealed = VAULT.seal(TASK, "payload", b"canary")
    with pytest.raises(CannotDecrypt, match="encrypted with key k1, ") as caught:
        open_bytes(vault, task, field, sealed)
    assert caught.value.key_id == "k1"
    assert "canary" not in str(caught.value)


@given(st.data())
def test_every_changed_bit_is_noticed(data: st.DataObject) -> None:
    """Whatever byte is changed, nothing opens as if it were sealed so."""
    sealed = bytearray(VAULT.seal(TASK, "payload", b'{"a":1}'))
    place = data.draw(st.integers(1, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CannotDecrypt):
        open_bytes(VAULT, TASK, "payload", bytes(sealed))


@given(st.binary(max_size=60))
def test_any_rest_after_the_mark_is_refused_in_order(rest: bytes) -> None:
    """Damaged bytes raise the one error there is, not another."""
    with pytest.raises(CannotDecrypt):
        open_bytes(VAULT, TASK, "payload", SEALED + rest)


@given(st.text(max_size=60))
def test_texts_that_only_look_sealed_stay_as_they_are(rest: str) -> None:
    """A handler may log a text that begins with the mark."""
    assert open_text(VAULT, TASK, "log", SEALED_TEXT + "?" + rest) == SEALED_TEXT + "?" + rest
    assert open_text(VAULT, TASK, "log", "a" + rest) == "a" + rest


def test_the_first_key_seals_and_all_open() -> None:
    """Keys are rotated by putting a new one in front; the old one goes when nothing names it."""
    before, during = Vault([K1], "ns"), Vault([K2, K1], "ns")
    old = before.seal(TASK, "payload", b"1")
    new = during.seal(TASK, "payload", b"2")
    assert open_bytes(during, TASK, "payload", old) == b"1"
    assert open_bytes(during, TASK, "payload", new) == b"2"
    with pytest.raises(CannotDecrypt, match="key k2"):
        open_bytes(before, TASK, "payload", new)


def test_what_must_be_comparable_is_sealed_the_same_each_time() -> None:
    """Equals give equal bytes under one key, and nothing else does."""

    def sealed(vault: Vault, owner: str, clear: bytes) -> bytes:
        return vault.seal(owner, "schedule", clear, is_repeatable=True)

    same = sealed(VAULT, "daily", b"a")
    assert sealed(VAULT, "daily", b"a") == same
    others = [
        sealed(VAULT, "daily", b"b"),
        sealed(VAULT, "hourly", b"a"),
        sealed(Vault([K2], "ns"), "daily", b"a"),
        VAULT.seal("daily", "schedule", b"a"),
    ]
    assert len({same[4:16], *(other[4:16] for other in others)}) == 5
    assert open_bytes(VAULT, "daily", "schedule", same) == b"a"
