"""A queue that fills up is told once, by one shard, and so is its end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from loguru import logger

from shoal.broker.registry import Registry
from shoal.shard.depth_watch import DepthWatch
from tests.integration.shard.harness import client_on
from tests.support.servers import RedisServer


def read_depths(server: RedisServer, namespace: str) -> list[tuple[str, dict[str, str]]]:
    """The events of depths, oldest first."""
    with server.client() as redis:
        return [
            (entry.decode(), {k.decode(): v.decode() for k, v in fields.items() if k != b"k"})
            for entry, fields in redis.xrange(f"{{{namespace}}}:events")
            if fields[b"k"] == b"depth"
        ]


async def test_a_depth_is_warned_of_once_and_once_when_it_is_over(valkey: RedisServer) -> None:
    """At 8 of 10, not again at 9 or 8, once below 7.2, and again at the next time; others say nothing.

    Each change of the level is an event.
    """
    said: list[str] = []
    handler = logger.add(lambda line: said.append(str(line)), level="WARNING")
    try:
        async with client_on(valkey, limit__max_queue_size=10) as client:
            broker = await client.broker()
            limit: Any = client.settings.limit
            mine: Any = SimpleNamespace(own=frozenset({0}))
            other: Any = SimpleNamespace(own=frozenset({1}))
            registry = Registry(broker)
            watches = [DepthWatch(broker, registry, whose, limit) for whose in (mine, other)]

            async def look() -> int:
                before = len(said)
                for watch in watches:
                    await watch.run_once()
                return len(said) - before

            handles = await client.submit_many("mail", [None] * 7)
            assert await look() == 0
            handles += await client.submit_many("mail", [None])
            assert await look() == 1
            assert "queue default at NORMAL is filling up: 8 tasks wait, and at 10" in said[-1]
            assert await look() == 0
            handles += await client.submit_many("mail", [None])
            assert await look() == 0
            for handle in handles[:1]:
                await handle.cancel()
            assert await look() == 0
            for handle in handles[1:3]:
                await handle.cancel()
            assert await look() == 1
            assert "no longer nearly full: 6 tasks wait" in said[-1]
            await client.submit_many("mail", [None] * 2)
            assert await look() == 1
            await client.submit_many("mail", [None] * 2)
            assert await look() == 0
            assert [told for _, told in read_depths(valkey, broker.settings.namespace)] == [
                {"s": "default:1", "n": "8", "l": "high"},
                {"s": "default:1", "n": "6", "l": "ok"},
                {"s": "default:1", "n": "8", "l": "high"},
                {"s": "default:1", "n": "10", "l": "full"},
            ]
    finally:
        logger.remove(handler)
