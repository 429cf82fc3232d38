"""How far shards stand back for the CPU."""

import pytest

from shoal.config import Settings
from shoal.shard.main import niceness


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost:6379", 10),
        ("redis://127.0.0.1:7000/0", 10),
        ("redis://[::1]:7000", 10),
        ("unix:///run/redis.sock", 10),
        ("redis://redis.example.org:6379", 0),
        ("redis+cluster://10.0.0.1:6379", 0),
    ],
)
def test_shards_stand_back_only_for_a_redis_on_their_host(url: str, expected: int) -> None:
    """Without a setting a shard lowers its priority beside Redis, and nowhere else."""
    assert niceness(Settings.load({"REDIS_URL": url}), 0.5) == expected


def test_the_setting_decides_where_it_is_given() -> None:
    """SHOAL_NICE holds wherever Redis is, 0 included."""
    local = {"REDIS_URL": "redis://localhost:6379", "SHOAL_NICE": "0"}
    away = {"REDIS_URL": "redis://redis.example.org:6379", "SHOAL_NICE": "4"}
    assert [niceness(Settings.load(env), 50.0) for env in (local, away)] == [0, 4]


@pytest.mark.parametrize(
    ("shards_per_core", "expected"), [(1.0, 10), (2.0, 14), (4.0, 17), (50.0, 19)]
)
def test_many_shards_stand_back_further(shards_per_core: float, expected: int) -> None:
    """The more shards share a core, the less each weighs, so that together they weigh as one; 19 is the end."""
    settings = Settings.load({"REDIS_URL": "redis://localhost:6379"})
    assert niceness(settings, shards_per_core) == expected
