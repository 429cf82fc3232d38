"""A task as Redis keeps it becomes the task that people see."""

from datetime import UTC, datetime

from shoal import RetryPolicy, Shoal, State
from shoal.broker.results import Inspected
from shoal.codec import encode_spec
from shoal.config import Settings
from shoal.model.attempt import line_tail
from shoal.model.identity import task_id
from shoal.model.priority import Priority
from shoal.task_view import view_task

SETTINGS = Settings().task
START_MS = 1_700_000_000_123
ID = task_id(3, START_MS, 1)
WORKER = "web1-0.a1b2c3"


def history(*lines: tuple[str, bytes]) -> bytes:
    """Lines of (kind, tail)."""
    return b"".join(
        f"{kind}\x1fdefault:1/1-0/1\x1f{WORKER}\x1f".encode() + tail + b"\n" for kind, tail in lines
    )


def test_a_pending_task() -> None:
    """What was never run has its defaults, and the time of its id."""
    task = view_task(
        Inspected(
            ID, "PENDING", None, 0,
            {"spec": encode_spec(b'{"a":1}'), "type": b"email.send", "entry": b"mail:2/1-0"},
        ),
        SETTINGS,
    )  # fmt: skip
    assert task.state is State.PENDING
    assert (task.type, task.queue, task.priority) == ("email.send", "mail", Priority.HIGH)
    assert task.payload == {"a": 1}
    assert task.created_at == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert task.timeout == 300
    assert task.retry_policy == RetryPolicy(max_retries=3)
    assert (task.attempts, task.worker_id, task.started_at, task.result) == (0, None, None, None)


def test_a_completed_task_after_a_retry_and_an_interruption() -> None:
    """Attempts, history, worker, times and result are those of its records."""
    lines = history(
        ("run", line_tail(START_MS, 1_500_000, "failed", "ValueError: no")),
        ("interrupted", line_tail(START_MS + 5000, 0, "killed")),
        ("run", line_tail(START_MS + 9000, 250_000, "completed")),
    )
    fields = {
        "spec": encode_spec(b"null", timeout_s=5, metadata={"k": "v"}, scheduled_ms=START_MS + 7),
        "type": b"t",
        "entry": b"default:0:isolated/5-0",
        "history": lines,
        "result": b'{"big":100000000000000000000}',
    }
    task = view_task(Inspected(ID, "COMPLETED", None, 0, fields), SETTINGS)
    assert task.attempts == 2
    assert task.worker_id == WORKER
    assert task.result == {"big": 10**20}
    assert (task.priority, task.timeout, task.metadata) == (Priority.LOW, 5, {"k": "v"})
    assert [(a.number, a.outcome, a.duration) for a in task.history] == [
        (1, "failed", 1.5),
        (2, "killed", 0.0),
        (2, "completed", 0.25),
    ]
    assert task.started_at == datetime(2023, 11, 14, 22, 13, 29, 123000, tzinfo=UTC)
    assert task.completed_at == datetime(2023, 11, 14, 22, 13, 29, 373000, tzinfo=UTC)
    assert task.scheduled_at == datetime(2023, 11, 14, 22, 13, 20, 130000, tzinfo=UTC)


def test_a_running_and_a_dead_task() -> None:
    """Who runs it and since when; why it is DEAD and what went wrong."""
    running = view_task(
        Inspected(ID, "RUNNING", WORKER, 5, {
            "spec": b"{}\n1", "type": b"t", "entry": b"default:1/1-0",
            "started": b"default:1/1-0/1 1700000001000",
        }),
        SETTINGS,
    )  # fmt: skip
    assert running.worker_id == WORKER
    assert running.started_at == datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
    dead = view_task(
        Inspected(ID, "DEAD", None, 0, {
            "spec": b"{}\n1", "type": b"t", "entry": b"default:1/1-0",
            "reason": b"invalid_payload", "error": b'{"type":"X","message":"y"}',
        }),
        SETTINGS,
    )  # fmt: skip
    assert dead.reason == "invalid_payload"
    assert dead.error == {"type": "X", "message": "y"}


def test_what_is_damaged_is_shown_as_far_as_it_can_be() -> None:
    """A spec or a result that cannot be read does not hide the task."""
    fields = {"spec": b"\xff", "type": b"t", "entry": b"", "result": b"{"}
    task = view_task(Inspected(ID, "DEAD", None, 0, fields), SETTINGS)
    assert (task.payload, task.result, task.queue) == (None, None, "default")


def test_the_definition_fills_in_what_the_task_does_not_say() -> None:
    """Timeout and retry policy are the type's where the process knows it."""
    app = Shoal(Settings())

    @app.task("t", timeout=7, max_retries=1)
    def handler(ctx: object, payload: object) -> None: ...

    found = Inspected(ID, "PENDING", None, 0, {"spec": b"{}\n1", "type": b"t"})
    assert app.view(found).timeout == 7
    assert app.view(found).retry_policy == RetryPolicy(max_retries=1)
