"""A family of processes: what the end of a member counts as."""

from __future__ import annotations

import os
import signal

import pytest

from shoal.cli.family import Member
from shoal.errors import ExitStatus
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, ExitStatus.OK), (signal.SIGKILL, ExitStatus.SYSTEM)],
)
def test_a_member_that_is_told_to_end_before_it_listens(
    number: signal.Signals, status: ExitStatus
) -> None:
    """Ended by the SIGTERM it was told by, it had begun nothing: no fault. Killed, it is one."""
    reader, writer = os.pipe()

    def begin() -> int:
        os.write(writer, b"x")
        signal.pause()
        return 0

    member = Member("the sleeper", "sleeper", begin)
    try:
        member.start(())
        os.read(reader, 1)
        member.tell(number)
        ended = wait_until(
            lambda: (seen,) if (seen := member.look(is_stopping=True)) is not None else (),
            "the member has ended",
        )
        assert ended == (status,)
    finally:
        member.kill()
        os.close(reader)
        os.close(writer)
