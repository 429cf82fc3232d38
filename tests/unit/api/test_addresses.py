"""Whose address counts behind proxies, and what one address may do."""

from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from shoal.api import addresses
from shoal.api.addresses import MAX_REFUSALS, WINDOW_S, Addresses, AddressLimits, fields
from shoal.api.problems import Problem


def request(peer: str | None, *forwarded: str) -> Any:
    """As much of a request as is looked at."""
    headers = CIMultiDict([("X-Forwarded-For", text) for text in forwarded])
    return SimpleNamespace(remote=peer, headers=headers)


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "expected"),
    [
        ([], "1.2.3.4", ["9.9.9.9"], "1.2.3.4"),
        ([], None, [], ""),
        (["10.0.0.0/8"], "1.2.3.4", ["9.9.9.9"], "1.2.3.4"),
        (["10.0.0.0/8"], "10.1.1.1", ["9.9.9.9"], "9.9.9.9"),
        (["10.0.0.0/8"], "::ffff:10.1.1.1", ["9.9.9.9"], "9.9.9.9"),
        (["10.0.0.0/8"], "10.1.1.1", ["6.6.6.6, 9.9.9.9, 10.2.2.2"], "9.9.9.9"),
        (["10.0.0.0/8"], "10.1.1.1", ["6.6.6.6", "9.9.9.9"], "9.9.9.9"),
        (["10.0.0.0/8"], "10.1.1.1", ["evil"], "10.1.1.1"),
        (["10.0.0.0/8"], "10.1.1.1", ["9.9.9.9, "], "10.1.1.1"),
        (["10.0.0.0/8"], "10.1.1.1", [], "10.1.1.1"),
        (["10.0.0.0/8"], "10.1.1.1", ["10.3.3.3"], "10.1.1.1"),
        (["fd00::/8"], "fd00::1", ["2001:db8::7"], "2001:db8::7"),
        (["10.0.0.0/8"], "unix:", ["9.9.9.9"], "unix:"),
    ],
)
def test_only_trusted_proxies_are_believed(
    trusted: list[str], peer: str | None, forwarded: list[str], expected: str
) -> None:
    """The last address that is no proxy; what a client wrote before it counts nothing."""
    assert Addresses(trusted).of(request(peer, *forwarded)) == expected


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock that the test sets."""
    now = SimpleNamespace(s=1000.0)
    monkeypatch.setattr(addresses, "mono_s", lambda: now.s)
    return now


def test_an_address_has_its_rate(clock: Any) -> None:
    """After a burst as fast as the rate; another address has its own."""
    limits = AddressLimits(10)
    for _ in range(20):
        limits.count("a")
    with pytest.raises(Problem) as caught:
        limits.count("a")
    assert caught.value.code == "rate_limited"
    assert caught.value.response().headers["Retry-After"] == "1"
    limits.count("b")
    clock.s += 0.1
    limits.count("a")
    with pytest.raises(Problem):
        limits.count("a")
    AddressLimits(None).count("a")


def test_guesses_are_bounded(clock: Any) -> None:
    """After a minute there may be more."""
    limits = AddressLimits(None)
    for _ in range(MAX_REFUSALS):
        limits.check_guesses("a")
        limits.note_refusal("a")
    with pytest.raises(Problem) as caught:
        limits.check_guesses("a")
    assert caught.value.kind.status == 429
    limits.check_guesses("b")
    clock.s += WINDOW_S + 1
    limits.check_guesses("a")
    limits.note_refusal("a")
    limits.check_guesses("a")


@pytest.mark.parametrize(
    ("rate", "policy"),
    [(1000, '"tasks";q=1000;w=1'), (0.5, '"tasks";q=1;w=2'), (0.01, '"tasks";q=1;w=100')],
)
def test_fields_say_the_quota_of_a_window(rate: float, policy: str) -> None:
    """In whole numbers; nothing is left where there is debt."""
    assert fields("tasks", rate, -5, 3) == {
        "RateLimit-Policy": policy,
        "RateLimit": '"tasks";r=0;t=3',
    }
