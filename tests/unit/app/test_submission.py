"""What a submitter says is checked and brought into one form."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from shoal.codec import decode_spec
from shoal.errors import InvalidTask
from shoal.model.priority import Priority
from shoal.model.retry import RetryPolicy
from shoal.submission import Plan, SubmitOptions, TypeDefaults, make_plan

NOW_S = 1_700_000_000.0
ID = "018bcfe5-6800-7003-8abc-0123456789ab"


def plan(defaults: TypeDefaults | None = None, **options: Any) -> Plan:
    """Of one submission."""
    given: SubmitOptions = options  # type: ignore[assignment]
    return make_plan("email.send", given, NOW_S, defaults or TypeDefaults())


def test_without_options_the_type_decides() -> None:
    """Queue and priority are the type's, and nothing is written into the header."""
    assert plan() == Plan("email.send", "default", 1, None, None, b"{}\n", None, None)
    assert plan(TypeDefaults("mail", Priority.HIGH))[:3] == ("email.send", "mail", 2)
    assert plan(TypeDefaults("mail", Priority.HIGH), delay=None)[:3] == ("email.send", "mail", 2)


def test_every_option_arrives() -> None:
    """What is said goes into the plan and the header that the worker reads."""
    made = plan(
        priority="critical",
        delay="1m30s",
        queue="mail",
        timeout=timedelta(seconds=5),
        retry=RetryPolicy(strategy="fixed"),
        max_retries=7,
        metadata={"order": "17"},
        unique_key="order-17",
        task_id=ID.upper(),
    )
    assert made[:5] == ("email.send", "mail", 3, None, 90.0)
    assert made.unique_key == "order-17"
    assert made.task_id == ID
    spec = decode_spec(made.header + b"1")
    assert spec.retry == RetryPolicy(7, strategy="fixed")
    assert spec.timeout_s == 5
    assert spec.metadata == {"order": "17"}
    assert spec.unique_key == "order-17"
    assert spec.scheduled_ms == (NOW_S + 90) * 1000


def test_max_retries_builds_on_the_policy_of_the_type() -> None:
    """Only the number changes."""
    defaults = TypeDefaults(retry=RetryPolicy(1, initial_backoff=9))
    spec = decode_spec(plan(defaults, max_retries=2).header + b"1")
    assert spec.retry == RetryPolicy(2, initial_backoff=9)


@pytest.mark.parametrize(
    "when",
    [
        datetime(2030, 1, 31, 12, tzinfo=UTC),
        datetime(2030, 1, 31, 14, tzinfo=timezone(timedelta(hours=2))),
        "2030-01-31T12:00:00Z",
        "2030-01-31T14:00:00+02:00",
    ],
)
def test_a_time_may_be_given_in_any_zone(when: datetime | str) -> None:
    """It is one instant."""
    made = plan(scheduled_at=when)
    assert made.due_s == datetime(2030, 1, 31, 12, tzinfo=UTC).timestamp()
    assert made.delay_s is None
    assert decode_spec(made.header + b"1").scheduled_ms == 1_896_091_200_000


def test_a_delay_of_nothing_is_now() -> None:
    """0 means at once, and the task is not shown as scheduled."""
    assert plan(delay=0)[3:5] == (None, None)
    assert plan(delay="0s").header == b"{}\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"priority": "URGENT"}, "unknown priority 'URGENT'"),
        ({"priority": 4}, "priority"),
        ({"delay": "soon"}, "delay: invalid duration"),
        ({"delay": -1}, "delay: duration -1"),
        ({"delay": timedelta(seconds=-1)}, "delay: duration"),
        ({"delay": 1, "scheduled_at": "2030-01-31T12:00:00Z"}, "not both"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at: must be ISO 8601"),
        ({"scheduled_at": "2030-01-31T12:00:00"}, "scheduled_at: needs a time zone"),
        ({"scheduled_at": datetime(2030, 1, 1)}, "scheduled_at: needs a time zone"),  # noqa: DTZ001
        ({"scheduled_at": 1_900_000_000}, "scheduled_at: must be a datetime"),
        ({"queue": "a:b"}, "invalid queue"),
        ({"queue": 7}, "queue"),
        ({"timeout": 0}, "timeout: must be above 0"),
        ({"timeout": "31d"}, "timeout: must be above 0"),
        ({"max_retries": 100}, "max_retries"),
        ({"max_retries": "3"}, "max_retries"),
        ({"metadata": {"a": 1}}, "metadata: must map texts to texts"),
        ({"metadata": ["a"]}, "metadata: must map texts to texts"),
        ({"metadata": {"a": "x" * 5000}}, "metadata: must have at most 4096"),
        ({"unique_key": ""}, "unique_key"),
        ({"unique_key": "x" * 513}, "unique_key"),
        ({"task_id": "7"}, "invalid task id"),
    ],
)
def test_wrong_options_say_what_to_write(options: dict[str, Any], words: str) -> None:
    """Each is an InvalidTask that names the option."""
    with pytest.raises(InvalidTask) as caught:
        plan(**options)
    assert words in str(caught.value)


def test_an_option_that_does_not_exist_is_told_like_any_argument() -> None:
    """A slip of the pen is no InvalidTask of a user, but a TypeError of the program."""
    with pytest.raises(TypeError, match="submit\\(\\) has no argument 'prio'"):
        plan(prio=1)


def test_a_type_is_checked() -> None:
    """Also one that nobody registered here."""
    with pytest.raises(InvalidTask, match="invalid task type"):
        make_plan("has space", {}, NOW_S)
    with pytest.raises(InvalidTask, match="invalid task type"):
        make_plan("has space", {"priority": 1}, NOW_S)
