"""``shoal autoscale`` on a real server."""

import json

from shoal.errors import ExitStatus
from tests.support.processes import shoal
from tests.support.servers import RedisServer


def test_it_measures_and_shows_its_formula(valkey: RedisServer) -> None:
    """With no worker and a backlog it asks for one; every figure stands in the document."""
    env = {"REDIS_URL": valkey.url}
    for _ in range(2):
        with shoal("submit", "mail", "1", env=env) as child:
            assert child.wait() == 0
    with shoal("autoscale", "--over", "0.5", "--json", env=env) as child:
        assert child.wait() == 0
        document = json.loads(child.stdout)
    assert (document["desired_workers"], document["backlog"], document["workers"]) == (1, 2, 0)
    assert document["drain_seconds"] is None
    assert document["formula"].startswith("ceil(")


def test_bounds_that_contradict_are_refused(valkey: RedisServer) -> None:
    """One line that says which."""
    env = {"REDIS_URL": valkey.url}
    with shoal("autoscale", "--min", "5", "--max", "2", env=env) as child:
        assert child.wait() == ExitStatus.CONFIGURATION
        assert "--min (5) must be at most --max (2)" in child.stderr
