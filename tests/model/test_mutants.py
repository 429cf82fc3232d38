"""The machine is worth its time only if it finds what is wrong: scripts with one planted fault each."""

from pathlib import Path
from typing import NamedTuple

import pytest

from shoal.broker.scripts import script
from tests.model.machine import Machine
from tests.model.player import Diverged
from tests.model.test_machine import EXAMPLES, machine_on, play

#: A fault must be found within so many steps, those that make its example smaller not counted.
MOST_STEPS = 20_000
SEED = 20_260


class Mutant(NamedTuple):
    """A script, what is taken out of it, and what stands there instead."""

    verb: str
    old: str
    new: str


MUTANTS = {
    "settle without the fence": Mutant(
        "settle",
        "if h[1] == stream .. '/' .. entry and not h[2] and pending then",
        "if h[1] == stream .. '/' .. entry and not h[2] then",
    ),
    "settle that forgets a late copy": Mutant(
        "settle", "answer[na + 1] = k; answer[na + 2] = 'already'", "answer[na + 1] = k; answer[na + 2] = 'stale'"
    ),
    "settle without a counter": Mutant(
        "settle", "for state, n in pairs(by) do move(typ, 'RUNNING', state, n) end", ""
    ),
    "settle that retries what is to be cancelled": Mutant(
        "settle", "if h[4] and state ~= 'DEAD' then", "if false then"
    ),
    "claim whose repeat takes anew": Mutant(
        "claim", "if recorded == number then", "if false then"
    ),
    "claim that answers late copies": Mutant(
        "claim", "if recorded and number < recorded then return 'old' end", ""
    ),
    "claim by the dead": Mutant("claim", "if record == 'dead' then return 'dead' end", ""),
    "claim that passes over what was handed back": Mutant(
        "claim", "if returned > 0 or ignore_counters then", "if false then"
    ),
    "claim that runs what is to be cancelled": Mutant("claim", "elseif h[3] then", "elseif false then"),
    "release that charges the neighbours": Mutant(
        "release", "if blame and blame.charged[token] then", "if blame then"
    ),
    "release that counts a drain": Mutant(
        "release", "if reason == 'killed' or reason == 'lost' then\n    recoveries", "if true then\n    recoveries"
    ),
    "recover without the grace": Mutant("recover", "if grace and NOW < grace then", "if false then"),
    "submit of an id that stands": Mutant("submit", "if call('EXISTS', key) == 1 then", "if false then"),
    "submit without unique keys": Mutant("submit", "elseif unique ~= '' then", "elseif false then"),
    "child that does not wait": Mutant(
        "submit", "local waits = here and #here + #away > 0", "local waits = false"
    ),
    "purge of what runs": Mutant("purge", "if not holder or holder == 'returned' then", "if true then"),
    "cancel that leaves the entry": Mutant(
        "cancel", "-call('XDEL', P .. 'stream:' .. stream, entry)", "-1"
    ),
}  # fmt: skip


def planted(mutant: Mutant) -> dict[str, bytes]:
    """The script with its fault.

    Raises:
        LookupError: The text that is to be replaced does not stand in the script any more.
    """
    source = script(mutant.verb).source.decode()
    if source.count(mutant.old) != 1:
        raise LookupError(
            f"{mutant.verb}: {mutant.old!r} stands there {source.count(mutant.old)} times"
        )
    return {mutant.verb: source.replace(mutant.old, mutant.new).encode()}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", MUTANTS, ids=[name.replace(" ", "-") for name in MUTANTS])
def test_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    """The machine fails on the script with the fault, within as many steps as it plays on the real ones."""
    with machine_on(tmp_path, planted(MUTANTS[name])), pytest.raises(Diverged):
        play_all()


def play_all() -> None:
    """Seed after seed, as the machine's own test does."""
    seed = SEED
    while Machine.done < MOST_STEPS:
        play(seed, EXAMPLES, shrinks=False)
        seed += 1
