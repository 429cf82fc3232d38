"""A key opens, whichever header brings it, and nothing else does."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from shoal.api.auth import Authenticator, Role
from shoal.api.problems import Problem

KEY = "s3cret-ké"
AUTHENTICATOR = Authenticator(KEY)


def headers(**given: str) -> CIMultiDictProxy[str]:
    """As a request has them."""
    named = {name.replace("_", "-"): value for name, value in given.items()}
    return CIMultiDictProxy(CIMultiDict(named))


@pytest.mark.parametrize(
    "given",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY} "},
        {"x_api_key": KEY},
        {"authorization": "Basic abc", "x_api_key": KEY},
    ],
)
def test_the_key_opens(given: dict[str, str]) -> None:
    """API_KEY has the highest role; its name does not give it away."""
    principal = AUTHENTICATOR.authenticate(headers(**given))
    assert principal.role is Role.ADMIN
    assert KEY not in principal.name


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"authorization": KEY},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer wrong", "x_api_key": KEY},
        {"x_api_key": ""},
        {"x_api_key": KEY[:-1]},
        {"x_api_key": KEY + "x"},
        {"x_api_key": "\udcff\u4e2d"},
        {"authorization": "Bearer \ud83d"},
    ],
)
def test_nothing_else_does(given: dict[str, str]) -> None:
    """Whatever bytes come; the answer says how to send a key."""
    with pytest.raises(Problem) as caught:
        AUTHENTICATOR.authenticate(headers(**given))
    assert caught.value.kind.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")
