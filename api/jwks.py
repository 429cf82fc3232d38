"""SHOAL_JWKS_FILE: the public keys of those who sign tokens for us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt
from jwt.exceptions import MissingCryptographyError

from shoal.errors import ConfigurationError

#: Key type and curve → the algorithm that keys of it are used with.
_ALGORITHMS: dict[tuple[Any, Any], str] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
#: Members that only private keys have.
_PRIVATE = ("d", "p", "q", "k")
MAX_KEYS = 32
MIN_RSA_BITS = 2048


def read_jwks(path: str) -> list[tuple[str, Any, str | None]]:
    """The keys of a JWK Set, as (algorithm, key, kid).

    Raises:
        ConfigurationError: The file can't be read, or holds what is no public key for RS256, ES256
            or EdDSA.
    """
    try:
        return _keys(json.loads(Path(path).read_text("utf-8"))["keys"])
    except OSError as error:
        raise _wrong(f"can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = str(error) if type(error) is ValueError else "it is no JWK Set (RFC 7517) in JSON"
        raise _wrong(said) from None


def _keys(rows: Any) -> list[tuple[str, Any, str | None]]:
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_KEYS:
        raise ValueError(f"`keys` must be a list of 1 to {MAX_KEYS} keys")
    return [_key(row) for row in rows]


def _key(row: dict[str, Any]) -> tuple[str, Any, str | None]:
    kid = row.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise ValueError("`kid` must be a text")
    what = f"key {kid!r:.60}"
    algorithm = _ALGORITHMS.get((row.get("kty"), row.get("crv")))
    if algorithm is None or row.get("alg", algorithm) != algorithm:
        raise ValueError(f"{what} must be for RS256, ES256 or EdDSA (Ed25519)")
    if any(member in row for member in _PRIVATE):
        raise ValueError(f"{what} is a private key: put only public ones there")
    if row.get("use", "sig") != "sig":
        raise ValueError(f"{what} is not for signatures")
    try:
        key = jwt.PyJWK(row, algorithm=algorithm).key
    except MissingCryptographyError:
        raise ConfigurationError(
            "SHOAL_JWKS_FILE needs the extra jwks: pip install 'shoal[jwks]'"
        ) from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise ValueError(f"{what} can't be read") from None
    if algorithm == "RS256" and key.key_size < MIN_RSA_BITS:
        raise ValueError(f"{what} has fewer than {MIN_RSA_BITS} bits")
    return algorithm, key, kid


def _wrong(why: str) -> ConfigurationError:
    return ConfigurationError(f"SHOAL_JWKS_FILE {why}")
