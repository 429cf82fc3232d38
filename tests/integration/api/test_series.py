"""Numbers over time: kept in Redis, the same at every API process, full when they are first shown."""

from typing import Any

from tests.integration.api.conftest import prove
from tests.support.api import Api, running_api
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until


def _series(api: Api, query: str = "range=60s") -> Any:
    answer = api.get(f"/api/v1/series?{query}")
    assert answer.status == 200, answer.body
    return answer.json


def test_two_processes_and_a_restarted_one_give_the_same(valkey: RedisServer) -> None:
    """What was submitted stands in the points, though no worker runs, and each process draws the same."""
    with running_api(valkey.url) as one:
        wait_until(lambda: len(_series(one)["times"]) > 0, "a point is noted", 10.0)
        for _ in range(7):
            one.submit()
        wait_until(lambda: _series(one)["depth"]["NORMAL"][-1] == 7, "the depth is noted", 15.0)
        with running_api(valkey.url) as two:
            first, second = _series(one), _series(two)
    with running_api(valkey.url) as again:
        third = _series(again)
    for other in (second, third):
        both = set(first["times"]) & set(other["times"])
        assert both
        for name, lines in (("rates", "submitted"), ("depth", "NORMAL"), ("tasks", "PENDING")):
            mine = dict(zip(first["times"], first[name][lines], strict=True))
            theirs = dict(zip(other["times"], other[name][lines], strict=True))
            known = [at for at in both if mine[at] is not None and theirs[at] is not None]
            assert known
            assert [mine[at] for at in known] == [theirs[at] for at in known]
    prove(valkey)


def test_what_cannot_be_drawn_is_refused(api: Api) -> None:
    """A range or step that is none, and parameters that there are not."""
    for query in ("range=1s", "range=8d", "range=x", "step=0.5s", "range=6h&step=1s", "what=1"):
        assert api.get(f"/api/v1/series?{query}").code == "invalid_parameter", query
