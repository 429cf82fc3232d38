"""``shoal token``: signs a token (JWT) with JWT_SECRET."""

from __future__ import annotations

import getpass
import time
from pathlib import Path

import click

from shoal.cli.api_key import SECRET_FILE, read_key
from shoal.config import Settings
from shoal.errors import ConfigurationError, InvalidOperation
from shoal.model.duration import format_duration, parse_duration
from shoal.model.role import Role, Scope, parse_scopes


@click.command()
@click.option(
    "-r", "--role", default="viewer", show_default=True,
    help=", ".join(role.word for role in Role) + ".",
)  # fmt: skip
@click.option("-e", "--expires", default="1h", show_default=True, help="How long it holds.")
@click.option("-s", "--subject", help="Who it is for; default: your login name.")
@click.option(
    "--scope", "scopes", multiple=True,
    help=f"Only this part of the API; may be repeated: {', '.join(Scope)}. Default: all.",
)  # fmt: skip
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path(".shoal"),
    show_default=True,
    help="Of `shoal up`, where the secret is when JWT_SECRET is not set.",
)
def token(
    role: str, expires: str, subject: str | None, scopes: tuple[str, ...], data_dir: Path
) -> None:
    """Print a token that the API takes as `Authorization: Bearer …`, signed with JWT_SECRET."""
    import jwt  # loads what only this command needs

    api = Settings.from_environment().api
    secret = api.jwt_secret or read_key(data_dir / SECRET_FILE)
    if not secret:
        raise ConfigurationError(
            "JWT_SECRET is not set; set the one of the API, or give --data-dir of `shoal up`"
        )
    try:
        lifetime_s = parse_duration(expires)
        now_s = int(time.time())
        claims: dict[str, str | int] = {
            "sub": subject or getpass.getuser(),
            "role": Role.parse(role).word,
            "iat": now_s,
            "exp": now_s + int(lifetime_s),
        }
        if words := " ".join(sorted(parse_scopes(scopes))):
            claims["scope"] = words
    except ValueError as error:
        raise InvalidOperation(str(error)) from None
    if not 1 <= lifetime_s <= api.jwt_max_lifetime_s:
        longest = format_duration(api.jwt_max_lifetime_s)
        raise InvalidOperation(f"--expires must be from 1s to SHOAL_JWT_MAX_LIFETIME, {longest}")
    if api.jwt_audience is not None:
        claims["aud"] = api.jwt_audience
    if api.jwt_issuer is not None:
        claims["iss"] = api.jwt_issuer
    click.echo(jwt.encode(claims, secret, algorithm="HS256"))
