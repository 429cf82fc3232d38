"""Errors have one root, a message, fields, and survive the way to another process."""

import pickle
from inspect import isclass

import pytest

from shoal import errors
from shoal.errors import (
    BrokerUnavailable,
    ConfigurationError,
    ExitStatus,
    InvalidPayload,
    QueueFull,
    Retry,
    ShoalError,
    StartupError,
)

CLASSES = [
    found for found in vars(errors).values() if isclass(found) and issubclass(found, ShoalError)
]


def test_each_class_has_a_default_message_and_a_status() -> None:
    """A class's docstring is its default message, and each is told from success by a command."""
    for cls in CLASSES:
        assert cls.__doc__
        assert ShoalError.__init__ is not None
        assert cls.exit_status is not ExitStatus.OK
    assert str(BrokerUnavailable()).startswith("Redis cannot be reached")
    assert str(QueueFull()).startswith("The queue is at its maximum size")


def test_statuses_are_distinct_and_documented_numbers() -> None:
    """No two names share a number, and all fit an exit status."""
    assert len({int(status) for status in ExitStatus}) == len(ExitStatus.__members__)
    assert all(0 <= status < 256 for status in ExitStatus)


@pytest.mark.parametrize(
    "error",
    [
        BrokerUnavailable("x", outcome_unknown=True, ids=["a", "b"]),
        QueueFull(retry_after_s=5),
        InvalidPayload([{"path": "a.b", "message": "wrong"}]),
        ConfigurationError(["one", "two"]),
        StartupError("cannot", "do this", ExitStatus.WORKER_ID_TAKEN),
        Retry("5m"),
        *(cls() for cls in (errors.TaskNotFound, errors.NonRetryable, errors.PartitionPaused)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling_with_their_fields(error: ShoalError) -> None:
    """A handler may raise them in another process."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_an_invalid_payload_says_where() -> None:
    """The message names each field; one for the whole payload says payload."""
    error = InvalidPayload([{"path": "to", "message": "too short"}])
    assert str(error) == "to: too short"
    assert str(InvalidPayload("no valid JSON")) == "payload: no valid JSON"


def test_retry_takes_durations_as_people_write_them() -> None:
    """Retry("5m") waits 300 s, Retry() leaves it to the policy, nonsense is refused."""
    assert Retry("5m").delay_s == 300
    assert Retry(0.5).delay_s == 0.5
    assert Retry().delay_s is None
    with pytest.raises(ValueError, match="duration"):
        Retry("later")
