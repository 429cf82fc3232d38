"""The two clocks."""

import time

from shoal.clock import mono_ms, mono_s, mono_us, wall_ms


def test_wall_time_is_unix_time_in_milliseconds() -> None:
    """wall_ms lies between two readings of the system's clock."""
    before = time.time_ns() // 1_000_000
    assert before <= wall_ms() <= time.time_ns() // 1_000_000


def test_the_monotonic_clocks_are_one_clock_in_three_units() -> None:
    """Seconds, milliseconds and microseconds agree and never go back."""
    us, ms, s = mono_us(), mono_ms(), mono_s()
    assert us // 1000 <= ms
    assert ms / 1000 <= s + 0.001
    assert mono_us() >= us
