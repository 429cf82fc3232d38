"""What a child says when it cannot start is what the supervisor reads."""

from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import ExitStatus
from shoal.lifecycle import READY, parse_startup_failure, startup_failure


@given(st.sampled_from(ExitStatus), st.text())
def test_a_startup_failure_survives_the_pipe(status: ExitStatus, message: str) -> None:
    """Whatever the message, it is one line, and status and words come back."""
    line = startup_failure(status, message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parse_startup_failure(line) == (status, " ".join(message.split()))


def test_readiness_and_noise_are_no_failure() -> None:
    """Only a line of that form is one."""
    for other in (READY, b"", b"E12", b"Enope:x\n", b"x"):
        assert parse_startup_failure(other) is None
