"""What the prototype prints is understood."""

import pytest

from loadtest.failure import BenchmarkFailed
from loadtest.prototype import parse_output

OUTPUT = """\
submit     54321/s   redis  14.5 us/task   598 bytes a pending task
drain      31900/s   redis  29.0 us/task   shards  18.0 us/task (with their start)
"""


def test_both_lines_are_read() -> None:
    """Its drain and its submit lines become figures under Shoal's names."""
    assert parse_output(OUTPUT) == {
        "tasks_per_s": 31900.0,
        "redis_us_per_task": 29.0,
        "shard_us_per_task": 18.0,
        "submit_tasks_per_s": 54321.0,
        "submit_redis_us_per_task": 14.5,
        "bytes_per_pending_task": 598,
    }


def test_another_output_is_refused() -> None:
    """A prototype that printed something else is an error that shows what it printed."""
    with pytest.raises(BenchmarkFailed, match="nonsense"):
        parse_output("nonsense")
