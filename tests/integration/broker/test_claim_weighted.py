"""Weighted claims: shares of 8, 4, 2 and 1, and none for what is not there."""

from collections import Counter

import pytest

from tests.integration.broker.conftest import scene_on
from tests.support.builders import Scene
from tests.support.servers import RedisServer

NAMES = ("LOW", "NORMAL", "HIGH", "CRITICAL")


async def fill(scene: Scene, **depths: int) -> None:
    """Let so many tasks wait at each priority."""
    for name, depth in depths.items():
        tasks = [f"{name} {n}" for n in range(depth)]
        for at in range(0, depth, 200):
            await scene.submit(*tasks[at : at + 200], priority=NAMES.index(name))


def shares(names: list[str]) -> dict[str, int]:
    """How many of each priority."""
    return dict(Counter(name.split()[0] for name in names))


@pytest.mark.parametrize("want", [1, 2, 7, 15, 45])
async def test_shares(redis7: RedisServer, want: int) -> None:
    """Whatever a claim asks for, CRITICAL, HIGH, NORMAL and LOW get 8, 4, 2 and 1 of 15 tasks."""
    async with scene_on(redis7, priority_mode="weighted") as scene:
        await fill(scene, **dict.fromkeys(NAMES, 120))
        names: list[str] = []
        calls = 15 if want < 15 else 90 // want
        for _ in range(calls):
            claimed = await scene.claim(want=want)
            assert len(claimed.claims) == want
            names += scene.named(claimed.claims)
        unit = len(names) // 15
        assert shares(names) == {
            "CRITICAL": 8 * unit,
            "HIGH": 4 * unit,
            "NORMAL": 2 * unit,
            "LOW": unit,
        }


async def test_what_is_not_there_goes_to_the_others(redis7: RedisServer) -> None:
    """Shares are among those that wait; one priority alone gets all, and what is left is not left behind."""
    async with scene_on(redis7, priority_mode="weighted") as scene:
        await fill(scene, LOW=100, CRITICAL=100)
        assert shares(scene.named((await scene.claim(want=90)).claims)) == {
            "CRITICAL": 80,
            "LOW": 10,
        }
        # 20 and 90 are left: the shares are 20 and 80 where 8 to 1 would be more than there is.
        assert shares(scene.named((await scene.claim(want=100)).claims)) == {
            "CRITICAL": 20,
            "LOW": 80,
        }
        claimed = await scene.claim(want=100)
        assert shares(scene.named(claimed.claims)) == {"LOW": 10}
        assert claimed.depths == (0, 0, 0, 0)


async def test_a_repeated_call_brings_the_same(redis7: RedisServer) -> None:
    """The turn is the call's number, so a lost reply changes nothing."""
    async with scene_on(redis7, priority_mode="weighted") as scene:
        await fill(scene, LOW=20, HIGH=20)
        first = await scene.claim(want=10, number=3)
        again = await scene.claim(want=10, number=3)
        assert [claim.token for claim in again.claims] == [claim.token for claim in first.claims]


async def test_a_claim_that_ignores_the_counters_is_strict(redis7: RedisServer) -> None:
    """It finds what no counter knows, the highest priority first."""
    async with scene_on(redis7, priority_mode="weighted") as scene:
        await fill(scene, LOW=20, HIGH=20)
        claimed = await scene.claim(want=10, ignore_counters=True)
        assert shares(scene.named(claimed.claims)) == {"HIGH": 10}


async def test_strict_is_the_default(scene: Scene) -> None:
    """Without the mode a lower priority waits for all higher ones."""
    await fill(scene, LOW=20, HIGH=20)
    claimed = await scene.claim(want=30)
    assert shares(scene.named(claimed.claims)) == {"HIGH": 20, "LOW": 10}
