"""Handlers are checked when they are registered, and stay plain functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from shoal import RetryPolicy, Shoal, TaskContext
from shoal.config import Settings
from shoal.errors import InvalidTask
from shoal.model.priority import Priority


class Email(msgspec.Struct):
    """A payload."""

    to: str


@pytest.fixture
def app() -> Shoal:
    """An application that connects to nothing."""
    return Shoal(Settings())


def nothing(ctx: TaskContext, payload: Any) -> None:
    """A handler."""


def context() -> TaskContext:
    """Of a first attempt."""
    return TaskContext("id", "email.send", 1, {}, "web1-0")


async def test_a_definition_is_the_plain_function_when_called(app: Shoal) -> None:
    """Handlers can be tested as what they are, without any queue."""

    @app.task("email.send", timeout="30s", max_retries=5, queue="mail", priority="high")
    async def send_email(ctx: TaskContext, payload: Email) -> str:
        return f"{ctx.attempt} {payload.to}"

    assert await send_email(context(), Email("ada")) == "1 ada"
    assert app.tasks == {"email.send": send_email}
    assert send_email.kind == "async"
    assert send_email.timeout_s == 30
    assert send_email.retry == RetryPolicy(max_retries=5)
    assert (send_email.queue, send_email.priority) == ("mail", Priority.HIGH)
    assert send_email.convert(b'{"to":"x"}') == Email("x")


def test_what_is_not_said_is_left_to_the_settings(app: Shoal) -> None:
    """Without options: the default queue, NORMAL, and neither timeout nor retry policy."""

    @app.task("plain")
    def plain(ctx: TaskContext, payload: Any) -> None: ...

    assert plain.kind == "thread"
    assert (plain.queue, plain.priority) == ("default", Priority.NORMAL)
    assert plain.timeout_s is None
    assert plain.retry is None


def test_max_retries_changes_only_that_in_a_policy(app: Shoal) -> None:
    """The rest of the given policy stays."""
    policy = RetryPolicy(strategy="fixed", initial_backoff=7)

    @app.task("t", retry=policy, max_retries=9)
    def handler(ctx: TaskContext, payload: Any) -> None: ...

    assert handler.retry == RetryPolicy(9, strategy="fixed", initial_backoff=7)


def test_objects_and_partials_that_can_be_called_are_handlers(app: Shoal) -> None:
    """What is awaited is found out behind a partial and an object's __call__ too."""

    class Sender:
        async def __call__(self, ctx: TaskContext, payload: Email) -> None: ...

    async def three(prefix: str, ctx: TaskContext, payload: Any) -> None: ...

    assert app.task("a")(Sender()).kind == "async"
    assert app.tasks["a"].convert(b'{"to":"x"}') == Email("x")
    assert app.task("b")(functools.partial(three, "p")).kind == "async"
    assert app.task("c")(nothing).kind == "thread"


def generator(ctx: TaskContext, payload: Any) -> Any:
    """No handler: nobody would run it."""
    yield 1


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (lambda: None, "takes ()"),
        (lambda _ctx: None, "takes (_ctx)"),
        (lambda _a, _b, _c: None, "takes (_a, _b, _c)"),
        (generator, "this one is a generator"),
        ("send_email", "a handler is"),
    ],
)
def test_wrong_signatures_are_told_apart(
    app: Shoal, handler: Callable[..., Any], words: str
) -> None:
    """The error shows what a handler looks like and what this one takes."""
    with pytest.raises(InvalidTask, match="task 't': a handler is") as caught:
        app.task("t")(handler)
    assert words in str(caught.value)
    assert app.tasks == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeout": 0}, "above 0"),
        ({"timeout": "soon"}, "duration"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": 100}, "max_retries"),
        ({"retry": 3}, "RetryPolicy"),
        ({"queue": "a:b"}, "queue"),
        ({"queue": ""}, "queue"),
        ({"priority": "URGENT"}, "URGENT"),
        ({"retry_on": "OSError"}, "retry_on must be an exception class"),
        ({"give_up_on": (OSError, int)}, "give_up_on must be an exception class"),
    ],
)
def test_wrong_options_are_refused(app: Shoal, options: dict[str, Any], words: str) -> None:
    """Each error names the task and what is wrong."""
    with pytest.raises(InvalidTask, match="task 't': ") as caught:
        app.task("t", **options)(nothing)
    assert words in str(caught.value)


def test_what_is_retried_may_be_named_by_a_class_or_several(app: Shoal) -> None:
    """And by none: then everything is retried."""
    one = app.task("one", retry_on=OSError, give_up_on=[FileNotFoundError, KeyError])(nothing)
    assert (one.retry_on, one.give_up_on) == ((OSError,), (FileNotFoundError, KeyError))
    other = app.task("other")(nothing)
    assert (other.retry_on, other.give_up_on) == (None, ())


def test_names_are_unique_and_well_formed(app: Shoal) -> None:
    """A second handler of a name is refused, and so is a name that is none."""
    app.task("t")(nothing)
    with pytest.raises(InvalidTask, match="registered already"):
        app.task("t")(nothing)
    with pytest.raises(InvalidTask, match="invalid task type"):
        app.task("has space")(nothing)
    with pytest.raises(InvalidTask, match=r'@app.task\("email.send"\)'):
        app.task(generator)  # type: ignore[arg-type]


def test_an_annotation_that_cannot_be_read_is_told_at_once(app: Shoal) -> None:
    """Not when the first task arrives."""
    with pytest.raises(InvalidTask, match="task 't': its payload's annotation 'Nowhere'"):

        @app.task("t")
        def handler(ctx: TaskContext, payload: Nowhere) -> None: ...  # type: ignore[name-defined] # noqa: F821


def test_types_beside_the_handler_in_a_function_are_found(app: Shoal) -> None:
    """An application made in a function may define its payloads there."""

    class Local(msgspec.Struct):
        x: int

    @app.task("t")
    def handler(ctx: TaskContext, payload: Local) -> None: ...

    assert handler.convert(b'{"x":1}') == Local(1)


def test_the_table_of_tasks_cannot_be_changed_from_outside(app: Shoal) -> None:
    """Only registering adds to it."""
    with pytest.raises(TypeError):
        app.tasks["x"] = None  # type: ignore[index]


def test_a_context_keeps_the_first_reason_to_stop() -> None:
    """`cancelled` turns true once and stays so."""
    ctx = context()
    seen = [ctx.cancelled]
    for reason in ("cancelled", "timeout"):
        ctx.request_stop(reason)
        seen.append(ctx.cancelled)
    assert seen == [False, True, True]
    assert ctx.cancel_reason == "cancelled"
    assert repr(ctx) == "TaskContext(email.send id, attempt 1)"
