"""Logs: fields, one line each, bounded, and never a payload."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shoal.telemetry import logs

CANARY = "canary-7f3a"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def restored() -> Iterator[None]:
    """The root logger and warnings as they were."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    logs.logger.remove()


@pytest.fixture
def lines(restored: None) -> Callable[[], list[dict[str, Any]]]:
    """JSON logs of a worker, parsed at each call."""
    stream = io.StringIO()
    logs.configure("info", worker="web1-0.a1b2c3", stream=stream, as_json=True)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def _raise(text: str) -> None:
    raise ValueError(text)


@contextlib.contextmanager
def _task(task: str) -> Iterator[None]:
    token = logs.task_id.set(task)
    try:
        yield
    finally:
        logs.task_id.reset(token)


def test_a_line_has_time_level_message_worker_task_and_fields(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    """Each line is one JSON object whose ids correlate it with a worker and a task."""
    with _task("0193-1"):
        logs.logger.bind(partition=3).info("claimed {}", 5)
    (line,) = lines()
    assert line["time"].endswith("+00:00")
    assert {name: line[name] for name in ("level", "message", "worker", "task", "partition")} == {
        "level": "info",
        "message": "claimed 5",
        "worker": "web1-0.a1b2c3",
        "task": "0193-1",
        "partition": 3,
    }


def test_lines_below_the_level_are_not_written(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    """LOG_LEVEL=info hides debug lines, of libraries too."""
    logs.logger.debug("hidden")
    logging.getLogger("library").debug("hidden too")
    assert lines() == []


def test_the_standard_librarys_logs_come_the_same_way(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    """A library's line has its own name, its arguments and our fields."""
    logging.getLogger("library.part").warning("%s of %d", "one", 2)
    logging.getLogger("library").log(25, "odd level")
    # Straight to our handler: pytest's own, which listens too, refuses a wrong format.
    broken_record = logging.LogRecord("library", 40, "x.py", 1, "100% broken %d", ("text",), None)
    logging.getLogger().handlers[0].handle(broken_record)
    first, odd, broken = lines()
    assert (first["logger"], first["message"], first["level"]) == (
        "library.part",
        "one of 2",
        "warning",
    )
    assert odd["message"] == "odd level"
    assert broken["message"] == "100% broken %d"
    assert all(line["worker"] == "web1-0.a1b2c3" for line in (first, odd, broken))


def test_an_exception_of_a_task_is_logged_without_its_text(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    """A handler's error may quote the payload: only its type and place are logged."""
    payload = {"card": CANARY}
    with _task("0193-1"):
        try:
            _raise(f"bad payload {payload}")
        except ValueError:
            logs.logger.exception("the handler failed")
            logging.getLogger("user").exception("the handler failed")
            logs.logger.opt(exception=True).bind(task="other").error("the handler failed")
    assert CANARY not in json.dumps(lines())
    assert [line["error"] for line in lines()] == ["ValueError"] * 3
    assert any("_raise" in frame for frame in lines()[0]["stack"])


def test_what_asyncio_reports_of_a_lost_task_holds_no_text(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    """Asyncio quotes the exception of a task nobody awaited; the quotation is left out."""

    async def fail() -> None:
        _raise(CANARY)

    async def lose() -> None:
        task = asyncio.ensure_future(fail())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(lose())
    (line,) = lines()
    assert line["message"] == "Task exception was never retrieved"
    assert CANARY not in json.dumps(line)


def test_variables_are_never_shown(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """A stack names files, lines and functions, not the values in them."""

    def handler(payload: str) -> None:
        _raise("no values")

    try:
        handler(CANARY)
    except ValueError:
        logs.logger.exception("failed")
    (line,) = lines()
    assert line["error"] == "ValueError: no values"
    assert CANARY not in json.dumps(line)


def test_errors_and_messages_are_bounded(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """However long an error, a message or a field is, a line stays a few kilobytes."""
    try:
        _raise("x" * 100_000)
    except ValueError:
        logs.logger.bind(big="y" * 100_000).exception("m" * 100_000)
    (line,) = lines()
    assert line["error"] == "ValueError: " + "x" * logs.MAX_ERROR_CHARS + "…"
    assert len(json.dumps(line)) < 10_000


def test_a_group_of_errors_names_its_members() -> None:
    """A task group's error says what really happened, of the first three."""
    group = ExceptionGroup("g", [ValueError("a"), KeyError("b"), OSError("c"), OSError("d")])
    assert logs.describe_error(group) == "ExceptionGroup: ValueError: a; KeyError: 'b'; OSError: c"
    assert logs.describe_error(group, with_text=False) == (
        "ExceptionGroup: ValueError; KeyError; OSError"
    )


def test_on_a_terminal_lines_are_readable_and_nobody_forges_one(restored: None) -> None:
    """A message with line breaks and escape codes stays one line and colours nothing."""
    stream = _Terminal()
    logs.configure("info", worker="web1-0.a1b2c3", stream=stream)
    logs.logger.info("type {!s}", "a\n12:00:00 error forged\x1b[31m")
    logs.logger.warning("careful")
    first, second = stream.getvalue().splitlines()
    assert "info    type a\\n12:00:00 error forged\\x1b[31m  worker=web1-0.a1b2c3" in first
    assert "\x1b" not in first
    assert "\x1b[33mwarning" in second


def test_a_readable_line_into_a_file_has_no_colours(restored: None) -> None:
    """Colours are for terminals only; the stack stands below its line."""
    stream = io.StringIO()
    logs.configure("info", stream=stream, as_json=False)
    try:
        _raise("text")
    except ValueError:
        logs.logger.exception("failed")
    first, *stack = stream.getvalue().splitlines()
    assert first.endswith("error   failed  error=ValueError: text")
    assert stack
    assert all(line.startswith("    at ") for line in stack)
    assert "\x1b" not in stream.getvalue()
