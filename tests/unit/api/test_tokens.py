"""Tokens: what is signed by a key of ours and says all it must is accepted, and no attack is."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from shoal.api.jwks import read_jwks
from shoal.api.problems import Problem
from shoal.api.tokens import LEEWAY_S, TokenVerifier
from shoal.config import Settings
from shoal.errors import ConfigurationError
from shoal.model.role import Role, Scope

SECRET = "a-secret-of-the-tests-that-is-long-enough"
VERIFIER = TokenVerifier(Settings().replace(api__jwt_secret=SECRET))


def claims(**changes: Any) -> dict[str, Any]:
    """Of a good token; ``None`` leaves a claim out."""
    now = int(time.time())
    all_claims = {"sub": "ada", "role": "operator", "iat": now, "exp": now + 60, **changes}
    return {name: value for name, value in all_claims.items() if value is not None}


def signed(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """A token with these claims changed."""
    return jwt.encode(claims(**changes), secret, algorithm=algorithm)


def part(value: Any) -> str:
    """A part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def forged(header: dict[str, Any], key: bytes | None, body: Any = None) -> str:
    """A token with any header, signed with HMAC-SHA256 or not at all."""
    head = f"{part(header)}.{part(claims() if body is None else body)}"
    if key is None:
        return f"{head}."
    return f"{head}.{part(hmac.new(key, head.encode(), hashlib.sha256).digest())}"


def refused(token: str, verifier: TokenVerifier = VERIFIER) -> Problem:
    """The problem with a token."""
    with pytest.raises(Problem) as caught:
        verifier.verify(token)
    assert caught.value.kind.status == 401
    assert len(token) < 8 or token not in str(caught.value)
    return caught.value


def test_a_good_token_says_who_and_what() -> None:
    """Subject, role, scopes and end; also when it is seen again."""
    token = signed(scope="tasks stats")
    for _ in range(2):
        principal = VERIFIER.verify(token)
        assert principal.name == "jwt:ada"
        assert principal.role is Role.OPERATOR
        assert principal.scopes == {Scope.TASKS, Scope.STATS}
        assert principal.expires_s is not None
        assert 50 < principal.expires_s - time.time() <= 60
        assert principal.by_cookie is False


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"role": None},
        {"role": "root"},
        {"role": 4},
        {"role": ["admin"]},
        {"scope": "everything"},
        {"scope": ["tasks"]},
        {"sub": ""},
        {"sub": "a" * 129},
        {"sub": "a\nb"},
        {"sub": 7},
        {"exp": 1e308},
        {"exp": int(time.time()) + 10**9},
        {"exp": "soon"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": [1]},
        {"iat": int(time.time()) + 3600, "exp": int(time.time()) + 3700},
        {"nbf": int(time.time()) + 3600},
        {"aud": "another"},
        {"aud": ["shoal"]},
    ],
)
def test_what_lacks_or_stretches_a_claim_is_refused(changes: dict[str, Any]) -> None:
    """Also with a good signature: no end, an end in a thousand years, no role, another audience."""
    refused(signed(**changes))


def test_what_has_expired_is_told_so() -> None:
    """Within the leeway of clocks it holds; one that was good before is looked at anew each time."""
    now = int(time.time())
    VERIFIER.verify(signed(iat=now - 60, exp=now - LEEWAY_S + 2))
    assert "expired" in refused(signed(iat=now - 90, exp=now - 60)).detail
    verifier = TokenVerifier(Settings().replace(api__jwt_secret=SECRET))
    token = signed()
    principal = verifier.verify(token)
    [digest] = verifier._known
    verifier._known[digest] = principal._replace(expires_s=time.time() - LEEWAY_S - 1)
    assert "expired" in refused(token, verifier).detail


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE", ""])
def test_unsigned_is_refused(algorithm: str) -> None:
    """In every spelling, with and without a signature behind it."""
    refused(forged({"alg": algorithm, "typ": "JWT"}, None))
    refused(forged({"alg": algorithm, "typ": "JWT"}, SECRET.encode()))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"alg": ["HS256"]},
        {"alg": None},
        {},
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "crit": ["b64"], "b64": False},
        {"alg": "HS256", "kid": 7},
        {"alg": "HS256", "kid": {"a": 1}},
    ],
)
def test_headers_choose_nothing(header: dict[str, Any]) -> None:
    """No other algorithm, no critical extension that is not understood, no key name that is no text."""
    refused(forged(header, SECRET.encode()))


@pytest.mark.parametrize(
    "extra",
    [
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"kid": "../../../../dev/null"},
        {"kid": "' OR 1=1 --"},
    ],
)
def test_keys_that_a_token_brings_are_not_looked_at(extra: dict[str, Any]) -> None:
    """What is signed with them, or with what they might lead to, is refused."""
    for key in (b"", b"\0", b"AAAA", base64.b64decode("AAAA")):
        refused(forged({"alg": "HS256", **extra}, key))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "eyJ",
        "eyJ.eyJ.",
        "eyJhbGciOiJIUzI1NiJ9..",
        "a.b.c",
        "\ud83d.\ud83d.\ud83d",
        "é.é.é",
        f"{part(b'[]')}.{part(claims())}.x",
        f"{part({'alg': 'HS256'})}.{part([1])}.x",
        forged({"alg": "HS256"}, SECRET.encode(), [1, 2]),
        forged({"alg": "HS256"}, SECRET.encode(), "text"),
        forged({"alg": "HS256"}, SECRET.encode(), None).replace(".", "..", 1),
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    """Whatever bytes they are."""
    refused(token)


def test_a_changed_token_is_refused() -> None:
    """Body, header or signature; one that is only padded differently is looked at for itself."""
    header, body, signature = signed().split(".")
    refused(f"{header}.{part(claims(role='admin'))}.{signature}")
    refused(f"{part({'alg': 'HS256'})}.{body}.{signature}")
    refused(f"{header}.{body}.{signature[:-4]}AAAA")
    refused(f"{header}.{body}.")
    refused(signed("another-secret-that-is-long-enough-too"))


def test_without_a_key_no_token_is_good() -> None:
    """No JWT_SECRET: not even one that is signed with nothing."""
    none = TokenVerifier(Settings())
    for token in (signed(), forged({"alg": "HS256"}, b""), forged({"alg": "none"}, None)):
        refused(token, none)


def test_audience_and_issuer_are_those_of_the_settings() -> None:
    """Where they are set, a token must name them."""
    changes = {"api__jwt_audience": "shoal", "api__jwt_issuer": "https://id.example"}
    verifier = TokenVerifier(Settings().replace(api__jwt_secret=SECRET, **changes))
    good = {"aud": "shoal", "iss": "https://id.example"}
    verifier.verify(signed(**good))
    verifier.verify(signed(aud=["other", "shoal"], iss=good["iss"]))
    for wrong in ({}, {"aud": "shoal"}, {"iss": good["iss"]}, {**good, "iss": "https://id"}):
        refused(signed(**wrong), verifier)


def test_the_longest_lifetime_is_that_of_the_settings() -> None:
    """From iat to exp."""
    verifier = TokenVerifier(
        Settings().replace(api__jwt_secret=SECRET, api__jwt_max_lifetime_s="1h")
    )
    now = int(time.time())
    verifier.verify(signed(exp=now + 3600))
    refused(signed(exp=now + 3601), verifier)
    refused(signed(iat=now - 10, exp=now + 3599), verifier)


def _jwk(key: Any, **more: Any) -> dict[str, Any]:
    kinds: dict[type, Any] = {
        rsa.RSAPublicKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePublicKey: jwt.algorithms.ECAlgorithm,
        ed25519.Ed25519PublicKey: jwt.algorithms.OKPAlgorithm,
    }
    kind = next(value for known, value in kinds.items() if isinstance(key, known))
    return {**kind.to_jwk(key, as_dict=True), **more}


RSA = rsa.generate_private_key(65537, 2048)
SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is to be refused
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
PRIVATE: dict[str, Any] = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


@pytest.fixture
def jwks(tmp_path: Path) -> Callable[..., str]:
    """Writes a JWK Set; its path."""

    def write(*rows: Any) -> str:
        file = tmp_path / "jwks.json"
        file.write_text(json.dumps({"keys": list(rows)}))
        return str(file)

    return write


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_public_keys_verify_what_their_owners_sign(
    jwks: Callable[..., str], algorithm: str
) -> None:
    """Each with its own algorithm; with several of a kind, the name or the signature tells which."""
    key = PRIVATE[algorithm]
    others = [_jwk(rsa.generate_private_key(65537, 2048).public_key(), kid="other")]
    file = jwks(*others, *(_jwk(k.public_key(), kid=name) for name, k in PRIVATE.items()))
    verifier = TokenVerifier(Settings().replace(api__jwks_file=file, api__jwt_secret=SECRET))
    for headers in ({}, {"kid": algorithm}):
        token = jwt.encode(claims(), key, algorithm=algorithm, headers=headers)
        assert verifier.verify(token).role is Role.OPERATOR
    refused(jwt.encode(claims(), key, algorithm=algorithm, headers={"kid": "other"}), verifier)
    assert verifier.verify(signed()).role is Role.OPERATOR


def test_a_public_key_is_no_hmac_secret(jwks: Callable[..., str]) -> None:
    """What everybody may have signs nothing: neither as PEM nor as JWK (algorithm confusion)."""
    public = RSA.public_key()
    row = _jwk(public, kid="k")
    verifier = TokenVerifier(Settings().replace(api__jwks_file=jwks(row)))
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for key in (pem, pem.strip(), json.dumps(row).encode(), row["n"].encode()):
        for algorithm in ("HS256", "RS256"):
            refused(forged({"alg": algorithm, "kid": "k"}, key), verifier)
    other = rsa.generate_private_key(65537, 2048)
    refused(jwt.encode(claims(), other, algorithm="RS256", headers={"kid": "k"}), verifier)
    refused(jwt.encode(claims(), RSA, algorithm="RS512", headers={"kid": "k"}), verifier)
    refused(jwt.encode(claims(), RSA, algorithm="PS256", headers={"kid": "k"}), verifier)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "1 to 32 keys"),
        ([7], "JWK Set"),
        ([{"kty": "oct", "k": "AAAA"}], "must be for RS256"),
        ([{"kty": "RSA", "n": "AAAA"}], "can't be read"),
        ([{"kty": "RSA", "kid": 7}], "`kid`"),
        ([_jwk(RSA.public_key(), alg="RS512")], "must be for RS256"),
        ([_jwk(RSA.public_key(), use="enc")], "not for signatures"),
        ([_jwk(SHORT.public_key())], "fewer than 2048 bits"),
        ([jwt.algorithms.RSAAlgorithm.to_jwk(RSA, as_dict=True)], "private key"),
        ([_jwk(ec.generate_private_key(ec.SECP384R1()).public_key())], "must be for RS256"),
    ],
)
def test_a_bad_key_set_is_one_line(jwks: Callable[..., str], rows: list[Any], words: str) -> None:
    """At the start, with what is wrong; private keys and short ones are refused too."""
    with pytest.raises(ConfigurationError, match=words):
        read_jwks(jwks(*rows))


def test_a_key_set_that_is_none_is_one_line(tmp_path: Path) -> None:
    """No file, no JSON, no object."""
    file = tmp_path / "jwks.json"
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_jwks(str(file))
    for text in ("{", "[]", "null", '{"keys": {}}', '{"key": []}', "\ufeff"):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match="SHOAL_JWKS_FILE"):
            read_jwks(str(file))
