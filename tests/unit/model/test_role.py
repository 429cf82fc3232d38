"""Roles, scopes and API keys: names are read strictly, and a key tells its id."""

import pytest

from shoal.model.api_key import check_key_id, check_key_name, digest_of, id_in
from shoal.model.role import Role, Scope, parse_scopes

KEY = "shoal_" + "a1" * 5 + "_" + "Zz9" * 13 + "x"


def test_roles_are_in_order() -> None:
    """Each may do what the ones before it may."""
    assert Role.VIEWER < Role.SUBMITTER < Role.OPERATOR < Role.ADMIN
    assert [Role.parse(role.word.upper()) for role in Role] == list(Role)
    for wrong in ("", "root", "4", "admin "[:-2]):
        with pytest.raises(ValueError, match="viewer, submitter, operator, admin"):
            Role.parse(wrong)


def test_scopes_are_known_words() -> None:
    """None means all; what is no scope is named."""
    assert parse_scopes([]) == frozenset()
    assert parse_scopes(["Tasks", " dlq"]) == {Scope.TASKS, Scope.DLQ}
    with pytest.raises(ValueError, match="everything"):
        parse_scopes(["tasks", "everything"])


def test_a_key_carries_its_id() -> None:
    """Only a whole key does."""
    assert id_in(KEY) == "a1a1a1a1a1"
    for wrong in (
        KEY[:-1],
        KEY + "x",
        KEY.upper(),
        KEY + "\n",
        "",
        "shoal__",
        KEY.replace("_", "-"),
    ):
        assert id_in(wrong) is None
    assert check_key_id("shoal_a1a1a1a1a1") == check_key_id("a1a1a1a1a1") == "a1a1a1a1a1"
    with pytest.raises(ValueError, match="shoal keys list"):
        check_key_id(KEY)
    assert len(digest_of("\udcff")) == 64


@pytest.mark.parametrize("name", ["", " a", "a" * 65, "a\nb", "\u202e"])
def test_names_can_be_shown(name: str) -> None:
    """They stand in tables and logs."""
    assert check_key_name("Bürger-Büro 1") == "Bürger-Büro 1"
    with pytest.raises(ValueError, match="1 to 64 printable"):
        check_key_name(name)
