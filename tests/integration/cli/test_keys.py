"""``shoal keys`` and ``shoal token``."""

import asyncio

import jwt
import pytest

from shoal.broker.broker import Broker
from shoal.broker.registry import Registry
from shoal.errors import ExitStatus
from shoal.model.api_key import digest_of, id_in
from tests.integration.broker.test_registry import record as worker_record
from tests.integration.cli.conftest import Run
from tests.support.builders import settings_for
from tests.support.keys import SECRET
from tests.support.servers import RedisServer


def test_keys_are_made_listed_and_revoked(run: Run) -> None:
    """The key is shown once; afterwards its prefix, role and scopes are."""
    made = run("keys", "create", "ci", "-r", "operator", "-s", "dlq", "-e", "90d", "--json").json
    assert id_in(made["key"]) == made["id"]
    assert (made["role"], made["scopes"], made["last_used"]) == ("operator", ["dlq"], None)
    plain = run("keys", "create", "site")
    assert id_in(plain.out.strip())
    assert "not shown again" in plain.err
    listed = run("keys", "list", "--json")
    assert [row["name"] for row in listed.json["keys"]] == ["ci", "site"]
    for secret in (made["key"], plain.out.strip()):
        assert secret not in listed.out
        assert digest_of(secret) not in listed.out
    assert made["prefix"] in run("keys", "list").out
    asked = run("keys", "revoke", made["prefix"])
    assert asked.status == ExitStatus.CONFIGURATION
    assert "Nobody can answer here" in asked.err
    assert "is revoked" in run("keys", "revoke", made["prefix"], "--yes").out
    again = run("keys", "revoke", made["id"], "--yes")
    assert again.status == ExitStatus.TASK_NOT_FOUND
    assert [row["name"] for row in run("keys", "list", "--json").json["keys"]] == ["site"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["keys", "create", ""], "printable"),
        (["keys", "create", "a", "-r", "root"], "a role is one of"),
        (["keys", "create", "a", "-s", "all"], "a scope is one of"),
        (["keys", "create", "a", "-e", "soon"], "soon"),
        (["keys", "revoke", "7", "-y"], "shoal keys list"),
        (["token"], "JWT_SECRET is not set"),
    ],
)
def test_refused(run: Run, arguments: list[str], words: str) -> None:
    """One line that says what to write."""
    said = run(*arguments)
    assert said.status == ExitStatus.CONFIGURATION
    [line] = said.err.splitlines()
    assert words in line


def test_a_token_says_what_it_is_asked_to(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Role, scopes and end, and the audience and issuer of the settings."""
    monkeypatch.setenv("JWT_SECRET", SECRET)
    monkeypatch.setenv("SHOAL_JWT_AUDIENCE", "shoal")
    monkeypatch.setenv("SHOAL_JWT_ISSUER", "tests")
    said = run("token", "--role", "operator", "--expires", "2h", "-s", "ada", "--scope", "dlq")
    claims = jwt.decode(said.out.strip(), SECRET, ["HS256"], audience="shoal", issuer="tests")
    assert (claims["sub"], claims["role"], claims["scope"]) == ("ada", "operator", "dlq")
    assert claims["exp"] - claims["iat"] == 7200
    assert "from 1s to" in run("token", "-e", "2d").err
    assert "a role is one of" in run("token", "-r", "root").err


def test_workers_are_steered_and_who_did_it_is_noted(run: Run, redis7: RedisServer) -> None:
    """Only live ones; a shutdown is not taken back; the audit log has it, and no key."""

    async def beat() -> str:
        broker = await Broker.connect(settings_for(redis7.url, partitions=2))
        try:
            return (await Registry(broker).beat(worker_record())).desired
        finally:
            await broker.aclose()

    assert run("workers", "pause", "web-0").status == ExitStatus.TASK_NOT_FOUND
    asyncio.run(beat())
    assert run("workers", "pause", "web-0", "--json").json == {
        "id": "web-0",
        "desired": "paused",
        "changed": True,
    }
    assert asyncio.run(beat()) == "paused"
    assert "resume" in run("workers", "resume", "web-0").out
    assert asyncio.run(beat()) == ""
    assert run("workers", "shutdown", "web-0").status == ExitStatus.OK
    assert "not taken back" in run("workers", "resume", "web-0").err
    assert "web-0" in run("workers").out
    made = run("keys", "create", "ci", "--json").json
    run("queues", "pause", "default")
    run("queues", "purge", "default", "--yes")
    shown = run("audit", "--json")
    actions = [(entry["action"], entry["target"]) for entry in shown.json["entries"]]
    assert actions == [
        ("queue.purge", "queue default"),
        ("queue.pause", "default"),
        ("key.create", made["prefix"]),
        ("worker.shutdown", "web-0"),
        ("worker.resume", "web-0"),
        ("worker.pause", "web-0"),
    ]
    assert shown.json["entries"][0]["who"].startswith("cli:")
    assert made["key"] not in shown.out
    assert "queue.purge" in run("audit", "-n", "1").out
