"""Who is charged for a shard's death, and when a host has an isolation shard."""

from __future__ import annotations

import signal

import pytest

from shoal.broker.results import Charge
from shoal.page import Page, PageState
from shoal.supervisor.blame import blame_for
from shoal.supervisor.isolation import Isolation
from shoal.supervisor.slot import Ending, Phase, Slot

EXIT_0, EXIT_3 = Ending(0), Ending(3 << 8)
SEGFAULT, ABORTED, KILLED = (
    Ending(signal.SIGSEGV),
    Ending(signal.SIGABRT),
    Ending(signal.SIGKILL),
)


def _page(*, state: PageState = PageState.READY, is_executing: bool = True) -> Page:
    page = Page.create(3)
    page.state = state
    page.set_slot(0, 1, b"default:1/1-0/1", b"waits", b"good")
    page.set_slot(1, 2, b"default:1/2-0/1", b"runs", b"poison")
    if is_executing:
        page.executing(1)
    return page


@pytest.mark.parametrize(
    ("ending", "state", "killed_for", "is_charged"),
    [
        (SEGFAULT, PageState.READY, "", True),
        (ABORTED, PageState.DRAINING, "", True),
        (EXIT_3, PageState.READY, "", True),
        (EXIT_0, PageState.READY, "", True),
        (EXIT_3, PageState.ENDED, "", False),
        (KILLED, PageState.READY, "", False),
        (Ending(signal.SIGTERM), PageState.READY, "", False),
        (KILLED, PageState.READY, "silent", True),
    ],
)
def test_what_was_executing_is_charged(
    ending: Ending, state: PageState, killed_for: str, is_charged: bool
) -> None:
    """Death by its own fault charges what was executing, and only that; death from outside nobody."""
    blame = blame_for(ending, _page(state=state).snapshot(), killed_for=killed_for)
    assert (blame is not None) is is_charged
    if blame is not None:
        assert blame.charges == (Charge(2, b"default:1/2-0/1", b"poison"),)
        assert blame.cause == (killed_for or str(ending))


def test_without_evidence_nobody_is_charged() -> None:
    """A crash while no task's code was executing is nobody's fault that can be told."""
    page = _page(is_executing=False).snapshot()
    assert blame_for(SEGFAULT, page, killed_for="") is None


def test_a_thread_is_charged_with_the_loop() -> None:
    """What was executing in a thread at that moment is charged too."""
    page = _page()
    page.in_thread(0, running=True)
    blame = blame_for(SEGFAULT, page.snapshot(), killed_for="")
    assert blame is not None
    assert [charge.type for charge in blame.charges] == [b"good", b"poison"]


def test_when_an_isolation_shard_is_due() -> None:
    """A releaser's word or what shards heard calls for one, once; what was heard before its end does not."""
    now = [1000]
    page = Page.create(1, clock_ms=lambda: now[0])
    slot = Slot(-1, Page.create(1))
    isolation = Isolation(slot, lambda: [page])
    assert not isolation.is_due()
    isolation.call()
    assert isolation.is_due()
    isolation.forked()
    assert not isolation.is_due()
    page.heard_isolated()
    assert isolation.is_due()
    slot.phase = Phase.READY
    assert not isolation.is_due()
    slot.phase = Phase.EMPTY
    assert isolation.ended(2.0, is_clean=True, lived_s=1.0, could_start=True) == 0.0
    assert not isolation.is_due(), "that was before it found nothing left"
    now[0] = 3000
    page.heard_isolated()
    assert isolation.is_due()


@pytest.mark.parametrize(
    ("lived_s", "could_start", "pause_s"),
    [(0.01, True, 0.1), (0.7, True, 0.7), (90.0, True, 2.0), (0.1, False, 5.0)],
)
def test_poison_may_not_keep_a_core_busy(lived_s: float, could_start: bool, pause_s: float) -> None:
    """After a death it pauses for as long as it lived, within bounds; longer when it could not start."""
    isolation = Isolation(Slot(-1, Page.create(1)), list)
    ended = isolation.ended(5.0, is_clean=False, lived_s=lived_s, could_start=could_start)
    assert ended == pause_s
