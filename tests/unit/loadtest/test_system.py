"""The settings of the measured system and what fills its queues."""

from collections import Counter

from loadtest.preload import Mixer
from loadtest.scripts import verbs
from loadtest.servers import ServerAddress
from loadtest.system import environment, settings
from loadtest.workload import TYPES
from shoal.codec import decode_spec
from shoal.model.identity import partition_of

ADDRESS = ServerAddress("redis://127.0.0.1:7001", is_own=True)


def test_the_environment_is_valid_and_keeps_what_it_says() -> None:
    """The workers' environment loads without a problem and carries the retention asked for."""
    found = settings(environment(ADDRESS, kept=2500))
    assert found.redis.url == "redis://127.0.0.1:7001"
    assert found.retention.count == 2500
    assert found.retention.tombstone_s == 1.0
    assert found.metrics_enabled


def test_an_own_server_has_its_port_in_its_url() -> None:
    """The prototype is told a port, which is that of the server's URL."""
    assert ADDRESS.port == 7001


def test_a_batch_mixes_types_and_priorities() -> None:
    """200 tasks of one call have all 50 types and all 4 priorities, one partition, 100 bytes."""
    batch = Mixer().batch(5, 200)
    assert Counter(task.type for task in batch) == dict.fromkeys(TYPES, 4)
    assert Counter(task.priority for task in batch) == dict.fromkeys(range(4), 50)
    assert {partition_of(task.id) for task in batch} == {5}
    assert {len(decode_spec(task.spec).payload) for task in batch} == {100}
    assert len({task.id for task in batch}) == 200


def test_the_broker_s_verbs_are_known_by_name() -> None:
    """Script calls can be counted by verb: helpers are none."""
    assert {"submit", "claim", "settle", "renew", "release"} <= set(verbs())
    assert not [name for name in verbs() if name.startswith("lib_")]
