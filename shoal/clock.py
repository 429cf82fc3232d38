"""The two clocks, under two kinds of names that are never mixed.

*Wall* time is for what is stored or shown; it may jump. *Monotonic* time is for what is measured;
it means nothing outside this host and this boot. Code that must be tested without waiting takes
one of these functions as an argument.
"""

import time


def wall_ms() -> int:
    """Unix time in whole milliseconds, as this host sees it."""
    return time.time_ns() // 1_000_000


def mono_s() -> float:
    """Monotonic time in seconds; only differences mean anything."""
    return time.monotonic()


def mono_ms() -> int:
    """Monotonic time in whole milliseconds; comparable between processes of one host."""
    return time.monotonic_ns() // 1_000_000


def mono_us() -> int:
    """Monotonic time in whole microseconds; comparable between processes of one host."""
    return time.monotonic_ns() // 1_000
