"""``shoal keys``: the API keys of a deployment."""

from __future__ import annotations

import secrets
import time

import click

from shoal.app import Shoal
from shoal.broker.api_keys import ApiKeyStore, PutStatus, StoredKey
from shoal.cli.audit import note
from shoal.cli.client import with_app
from shoal.cli.confirm import confirm
from shoal.cli.output import print_json, print_table
from shoal.errors import ExitStatus, InvalidOperation
from shoal.model.api_key import (
    ID_ALPHABET,
    ID_LENGTH,
    MAX_API_KEYS,
    SECRET_ALPHABET,
    SECRET_LENGTH,
    ApiKeyRecord,
    check_key_id,
    check_key_name,
    digest_of,
)
from shoal.model.duration import parse_duration
from shoal.model.role import Role, Scope, parse_scopes

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command()
@click.argument("name")
@click.option(
    "-r", "--role", default="submitter", show_default=True,
    help=", ".join(role.word for role in Role) + ".",
)  # fmt: skip
@click.option(
    "-s", "--scope", "scopes", multiple=True,
    help=f"Only this part of the API; may be repeated: {', '.join(Scope)}. Default: all.",
)  # fmt: skip
@click.option("-e", "--expires", help="After this time it opens nothing: 12h, 90d. Default: never.")
@_JSON
def create(
    name: str, role: str, scopes: tuple[str, ...], expires: str | None, *, as_json: bool
) -> None:
    """Make a key, called NAME, and show it. It is shown this once: only a hash of it is stored."""
    key_id = _random(ID_ALPHABET, ID_LENGTH)
    key = f"shoal_{key_id}_{_random(SECRET_ALPHABET, SECRET_LENGTH)}"
    record = _record(key_id, key, name, role, scopes, expires)

    async def work(app: Shoal) -> PutStatus:
        status = await ApiKeyStore(await app.broker()).put(record)
        if status == "new":
            await note(app, "key.create", record.prefix, name=record.name, role=record.role)
        return status

    if with_app(work) == "too_many":
        raise InvalidOperation(f"there are {MAX_API_KEYS} keys: revoke those that nobody needs")
    if as_json:
        print_json({"key": key, **record.to_json(0)})
        return
    click.echo(key)
    click.echo("Keep it: it is not shown again, and stored nowhere.", err=True)


def _record(
    key_id: str, key: str, name: str, role: str, scopes: tuple[str, ...], expires: str | None
) -> ApiKeyRecord:
    now_ms = round(time.time() * 1000)
    try:
        lifetime_s = None if expires is None else max(parse_duration(expires), 0.001)
        return ApiKeyRecord(
            id=key_id,
            name=check_key_name(name),
            role=Role.parse(role).word,
            scopes=tuple(sorted(parse_scopes(scopes))),
            digest=digest_of(key),
            created_ms=now_ms,
            expires_ms=None if lifetime_s is None else now_ms + round(lifetime_s * 1000),
        )
    except ValueError as error:
        raise InvalidOperation(str(error)) from None


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


@keys.command("list")
@_JSON
def list_all(*, as_json: bool) -> None:
    """Show all keys: how they begin, what they allow, and when they were last used."""

    async def work(app: Shoal) -> list[StoredKey]:
        return (await ApiKeyStore(await app.broker()).read()).keys or []

    documents = [stored.record.to_json(stored.used_ms) for stored in with_app(work)]
    if as_json:
        print_json({"keys": documents})
        return
    columns = ("name", "prefix", "role", "scopes", "created", "expires", "last_used")
    print_table(
        tuple(column.replace("_", " ") for column in columns),
        [
            tuple(
                (",".join(document[c]) or "all") if c == "scopes" else document[c] for c in columns
            )
            for document in documents
        ],
        "no key yet, beside API_KEY: shoal keys create NAME",
    )


@keys.command()
@click.argument("id")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@_JSON
def revoke(id: str, *, yes: bool, as_json: bool) -> int:
    """Forget the key with this ID or prefix: within 5 s it opens nothing any more."""
    try:
        key_id = check_key_id(id)
    except ValueError as error:
        raise InvalidOperation(str(error)) from None
    confirm(f"Revoke the key shoal_{key_id}?", is_sure=yes)

    async def work(app: Shoal) -> bool:
        was_there = await ApiKeyStore(await app.broker()).revoke(key_id)
        if was_there:
            await note(app, "key.revoke", f"shoal_{key_id}")
        return was_there

    was_there = with_app(work)
    if as_json:
        print_json({"id": key_id, "revoked": was_there})
    elif was_there:
        click.echo(f"shoal_{key_id} is revoked")
    else:
        click.echo(f"there is no key shoal_{key_id}", err=True)
    return ExitStatus.OK if was_there else ExitStatus.TASK_NOT_FOUND
