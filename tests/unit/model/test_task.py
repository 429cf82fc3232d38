"""A task as clients see it."""

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from shoal.model.attempt import HistoryLine
from shoal.model.task import Task, attempts_of, format_time, from_unix_ms
from shoal.model.transitions import State
from shoal.model.worker import WorkerRecord, WorkerState

#: Field names of the API's document; clients depend on them.
FIELDS = [
    "id",
    "type",
    "queue",
    "priority",
    "payload",
    "state",
    "retry_policy",
    "timeout",
    "scheduled_at",
    "created_at",
    "started_at",
    "completed_at",
    "result",
    "error",
    "attempts",
    "worker_id",
    "metadata",
    "history",
    "depends_on",
    "waiting_for",
    "reason",
    "progress",
    "log",
]

CREATED = datetime(2025, 11, 24, 4, 0, 0, 7000, tzinfo=UTC)


def test_the_document_has_the_fixed_fields() -> None:
    """A task's JSON has every field of the API, the priority's name and times in milliseconds."""
    task = Task(id="x", type="email.send", state=State.PENDING, created_at=CREATED, timeout=300.0)
    document = json.loads(json.dumps(task.to_json()))
    assert list(document) == FIELDS
    assert document["priority"] == "NORMAL"
    assert document["state"] == "PENDING"
    assert document["created_at"] == "2025-11-24T04:00:00.007Z"
    assert document["completed_at"] is None
    assert document["retry_policy"]["max_retries"] == 3


@given(st.integers(1, 253_402_300_799_999))
def test_stored_times_keep_their_milliseconds(unix_ms: int) -> None:
    """A stored time and the time that is shown are the same millisecond, up to the year 9999."""
    time = from_unix_ms(unix_ms)
    assert time is not None
    shown = format_time(time)
    assert shown is not None
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert (datetime.fromisoformat(shown) - epoch) // timedelta(milliseconds=1) == unix_ms


def test_times_are_shown_in_utc() -> None:
    """A time in another zone is shown as the same instant in UTC."""
    eastern = timezone(timedelta(hours=-5))
    assert format_time(datetime(2025, 1, 1, 19, tzinfo=eastern)) == "2025-01-02T00:00:00.000Z"
    assert from_unix_ms(0) is None


def test_attempts_are_numbered_anew_after_a_requeue() -> None:
    """Runs that count have rising numbers, an interruption that of the attempt it cut short."""
    run = HistoryLine("run", "t", "web1-0.a1b2c3", 1_732_420_000_000, 1_500_000, "failed", "boom")
    history = [
        run,
        run._replace(kind="interrupted", outcome="killed", error=""),
        run,
        run._replace(kind="requeued", worker="", outcome=""),
        run._replace(outcome="completed", error=""),
    ]
    attempts = attempts_of(history)
    assert [(a.number, a.outcome, a.error) for a in attempts] == [
        (1, "failed", "boom"),
        (2, "killed", None),
        (2, "failed", "boom"),
        (1, "completed", None),
    ]
    assert attempts[0].duration == 1.5


def test_a_document_shows_its_history() -> None:
    """Each attempt is shown with number, worker, start, duration, outcome and error."""
    line = HistoryLine("run", "t", "web1-0.a1b2c3", 1_732_420_000_000, 1_500_000, "failed", "boom")
    task = Task(
        id="x",
        type="t",
        state=State.FAILED,
        created_at=CREATED,
        timeout=300.0,
        history=attempts_of([line]),
    )
    assert task.to_json()["history"] == [
        {
            "number": 1,
            "worker_id": "web1-0.a1b2c3",
            "started_at": "2024-11-24T03:46:40.000Z",
            "duration": 1.5,
            "outcome": "failed",
            "error": "boom",
        }
    ]


def test_a_worker_is_called_by_its_name_without_the_nonce() -> None:
    """The id of a record is its incarnation up to the last dot."""
    record = WorkerRecord(
        incarnation="web1.example-0.a1b2c3",
        state=WorkerState.IDLE,
        concurrency=10,
        started_at_ms=1,
        last_heartbeat_ms=2,
        host="web1.example",
        pid=42,
        version="0.1.0",
    )
    assert record.id == "web1.example-0"
