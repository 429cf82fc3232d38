"""SHOAL_ENCRYPTION_KEYS: its form, its faults, and that no key is ever shown."""

import base64
import importlib.util
from pathlib import Path

import pytest

from shoal.config import Settings
from shoal.errors import ConfigurationError

ONE = base64.b64encode(b"1" * 32).decode()
TWO = base64.urlsafe_b64encode(bytes(range(224, 256))).decode().rstrip("=")
SHORT = base64.b64encode(b"1" * 31).decode()


def test_keys_are_read_in_their_order(tmp_path: Path) -> None:
    """From the environment, a file of its own and a list; base64 of either alphabet."""
    text = f"2025:{ONE} , old.k:{TWO}"
    (tmp_path / "keys").write_text(text + "\n")
    (tmp_path / "shoal.toml").write_text(f'shoal_encryption_keys = ["2025:{ONE}", "old.k:{TWO}"]')
    for settings in (
        Settings.load({"SHOAL_ENCRYPTION_KEYS": text}),
        Settings.load({"SHOAL_ENCRYPTION_KEYS_FILE": str(tmp_path / "keys")}),
        Settings.load({}, tmp_path / "shoal.toml"),
        Settings().replace(encryption__keys=text),
    ):
        assert [(key.id, len(key.secret)) for key in settings.encryption.keys] == [
            ("2025", 32),
            ("old.k", 32),
        ]
        assert ONE not in repr(settings)
        assert "111111" not in repr(settings) + repr(settings.encryption.keys)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ONE, "has no id before its key 1"),
        (f"a:{ONE},:{TWO}", "has no id before its key 2"),
        (f"a b:{ONE}", "has no id"),
        (f"{'x' * 33}:{ONE}", "has no id"),
        ("a:not base64!", "key a that is not base64"),
        ("a:ä", "key a that is not base64"),
        ("a:" + ONE[:-2], "a"),
        ("a:", "key a of 0 bytes, not 32"),
        (f"a:{SHORT}", "key a of 31 bytes, not 32"),
        (f"a:{ONE},a:{TWO}", "names the key a twice"),
        (f"a:{ONE},", "has no id before its key 2"),
    ],
)
def test_a_bad_form_is_one_problem_that_shows_no_key(text: str, says: str) -> None:
    """Each fault is one line that names the setting and the key's id, and says how to make a key."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({"SHOAL_ENCRYPTION_KEYS": text})
    (problem,) = caught.value.problems
    assert problem.startswith("SHOAL_ENCRYPTION_KEYS ")
    assert says in problem
    for secret in (ONE, TWO, SHORT, "not base64!"):
        assert secret not in problem


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys without the library are one problem at the start, not a failure at the first task."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({"SHOAL_ENCRYPTION_KEYS": f"a:{ONE}"})
    assert caught.value.problems == [
        "SHOAL_ENCRYPTION_KEYS needs the extra: pip install 'shoal[encryption]'"
    ]
    assert Settings.load({}).encryption.keys == ()
