"""What a reload takes over from settings that were read again."""

from __future__ import annotations

import pytest

from shoal.config import Settings
from shoal.config_load import all_settings
from shoal.config_reload import BY_API, WITH_NEW_SHARDS, take_over
from shoal.errors import ConfigurationError


def test_every_name_that_may_change_is_a_setting() -> None:
    """No setting is promised that does not exist."""
    assert {about.name for _, about, _ in all_settings()} >= BY_API > WITH_NEW_SHARDS


def test_what_may_change_is_taken_and_the_rest_is_kept() -> None:
    """A new concurrency holds, a new namespace is named and does not."""
    old = Settings()
    read = old.replace(worker__concurrency=20, namespace="other", log_level="debug")
    taken = take_over(old, read)
    assert taken.settings == old.replace(worker__concurrency=20, log_level="debug")
    assert set(taken.changed) == {"WORKER_CONCURRENCY", "LOG_LEVEL"}
    assert taken.kept == ("SHOAL_NAMESPACE",)


def test_a_setting_that_was_removed_goes_back_to_its_default() -> None:
    """What stands nowhere any more is unset, also where that means none."""
    old = Settings().replace(worker__max_tasks_per_shard=10, worker__nice=3)
    taken = take_over(old, Settings())
    assert taken.settings == Settings()
    assert set(taken.changed) == {"SHOAL_MAX_TASKS_PER_SHARD", "SHOAL_NICE"}


def test_nothing_changed() -> None:
    """The same settings read again change nothing."""
    taken = take_over(Settings(), Settings())
    assert (taken.settings, taken.changed, taken.kept) == (Settings(), (), ())


def test_a_contradiction_is_refused() -> None:
    """Settings that are right each for itself and not together are an error, as at the start."""
    old = Settings().replace(worker__throttle_memory=64 * 1024**2)
    read = Settings().replace(
        worker__throttle_memory=64 * 1024**2, worker__max_memory_per_shard=128 * 1024**2
    )
    assert take_over(old, read).settings == read
    with pytest.raises(ConfigurationError, match="SHOAL_THROTTLE_MEMORY"):
        take_over(
            Settings().replace(worker__max_memory_per_shard=128 * 1024**2),
            Settings().replace(worker__throttle_memory=256 * 1024**2),
            frozenset({"SHOAL_THROTTLE_MEMORY"}),
        )
