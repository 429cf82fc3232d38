"""The loop around what is done again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from loguru import logger

from shoal.errors import BrokerUnavailable, PartitionPaused, ShoalError


async def every(
    interval_s: float, run_once: Callable[[], Awaitable[object]], name: str, rng: Random
) -> None:
    """Call ``run_once`` about every ``interval_s`` seconds, for ever.

    What Redis does not answer or refuses is tried again the next time; a refusal is logged when it
    begins. Any other error is a bug and ends the shard.

    Args:
        interval_s: Between the end of one call and the next, give or take a tenth.
        run_once: Does it once.
        name: For the log.
        rng: Spreads the calls of shards that started together.
    """
    was_refused = False
    await asyncio.sleep(rng.uniform(0, min(interval_s, 1.0) / 4))
    while True:
        try:
            await run_once()
            was_refused = False
        except (BrokerUnavailable, PartitionPaused):
            pass  # the broker says when Redis goes away and comes back
        except ShoalError as error:
            if not was_refused:
                logger.error("{} is refused: {}", name, error)
            was_refused = True
        await asyncio.sleep(interval_s * rng.uniform(0.9, 1.1))
