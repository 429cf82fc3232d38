"""The scripts do what the model says, in any order of events, for twenty thousand steps."""

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from shoal.broker.broker import Broker
from tests.model.clocked_server import ClockedServer
from tests.model.machine import Machine
from tests.model.player import Player, model_settings

SEED_VARIABLE = "SHOAL_TEST_SEED"
STEPS = 20_000
EXAMPLES, STEPS_AN_EXAMPLE = 40, 100


@contextmanager
def machine_on(folder: Path, mutants: dict[str, bytes] | None = None) -> Iterator[None]:
    """A server whose clock the machine turns, and everything that it needs to play on it."""
    with ClockedServer(folder, mutants) as server, asyncio.Runner() as runner:
        broker = runner.run(Broker.connect(model_settings(server.server.url)))
        try:
            Machine.start = staticmethod(lambda: Player(server, broker, runner.get_loop()))
            Machine.done = 0
            yield
        finally:
            runner.run(broker.aclose())


def play(seed: int, examples: int = EXAMPLES, *, shrinks: bool = True) -> None:
    """Some examples; the same seed is the same steps. A failing one is made as small as it gets."""
    run_state_machine_as_test(
        hypothesis.seed(seed)(Machine),
        settings=hypothesis.settings(
            max_examples=examples,
            stateful_step_count=STEPS_AN_EXAMPLE,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
        ),
    )


@pytest.mark.timeout(400)
def test_scripts_follow_the_model(tmp_path: Path) -> None:
    """Claims, outcomes, faults and repeats in any order leave what the model says, and `verify` finds nothing."""
    seed = int(os.environ.get(SEED_VARIABLE) or random.randrange(1 << 32))
    with machine_on(tmp_path):
        while Machine.done < STEPS:
            sys.stdout.write(f"{SEED_VARIABLE}={seed}, {Machine.done} steps done\n")
            try:
                play(seed)
            except Exception as error:
                error.add_note(f"to see it again: {SEED_VARIABLE}={seed}")
                raise
            seed += 1
        assert Machine.done >= STEPS
