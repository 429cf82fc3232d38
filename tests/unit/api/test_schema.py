"""Bodies are read strictly, and payloads are kept to the byte."""

import json
from typing import Any

import pytest

from shoal import Shoal
from shoal.api.problems import Problem
from shoal.api.schema import TaskReader
from shoal.codec import decode_spec
from shoal.config import Settings
from shoal.model.priority import Priority
from shoal.model.retry import RetryPolicy

SETTINGS = Settings().replace(task__max_payload_bytes=4096, task__max_retries=5)
READER = TaskReader(SETTINGS)

#: What JSON must not be, as payload: facts of parsers, each with what was seen to go wrong.
BAD_PAYLOADS = {
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "beyond range": b"1e400",
    "5,000 digits": b"9" * 5000,
    "lone surrogate": b'"\\ud800"',
    "invalid UTF-8": b'"\xff"',
    "depth 65": b"[" * 65 + b"]" * 65,
    "depth 1,100": b"[" * 1100 + b"]" * 1100,
    "depth 100,000": b"[" * 100_000 + b"]" * 100_000,
    "trailing comma": b"[1,]",
    "comment": b"1/**/",
    "single quotes": b"'a'",
    "nothing": b"",
    "unfinished": b'{"a":',
    "control character": b'"\x01"',
    "leading zero": b"01",
}
#: What it may be, and must come back as it was.
GOOD_PAYLOADS = {
    "null": b"null",
    "20 digits": b"12345678901234567890",
    "40 digits": b"1" * 40,
    "2^53 + 1": b"9007199254740993",
    "1.0": b"1.0",
    "empty list": b"[]",
    "repeated keys": b'{"a":1,"a":2}',
    "prototype": b'{"__proto__":{"x":1},"constructor":2}',
    "depth 64": b"[" * 64 + b"]" * 64,
    "brackets in text": b'"' + b"[" * 200 + b'"',
    "spaces": b'{ "a" :  1 }',
    "escapes": b'"\\u00e9\\ud83d\\ude00\\""',
    "zero byte": b'"\\u0000"',
    "field names": b'{"type":"x","payload":{"type":1}}',
}


def body(payload: bytes = b"1", **fields: Any) -> bytes:
    """A body with this payload, as bytes."""
    rest = "".join(f", {json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items())
    return b'{"type": "mail", "payload": ' + payload + rest.encode() + b"}"


def refusal(raw: bytes, reader: TaskReader = READER) -> Problem:
    """The problem with a body."""
    with pytest.raises(Problem) as caught:
        reader.one(raw)
    assert 400 <= caught.value.kind.status < 500
    caught.value.encode()
    return caught.value


@pytest.mark.parametrize("payload", BAD_PAYLOADS.values(), ids=BAD_PAYLOADS)
def test_bad_payloads_are_refused(payload: bytes) -> None:
    """Each is a problem of the client, alone and inside a list."""
    large = TaskReader(Settings())
    assert refusal(body(payload), large).code == "invalid_json"
    assert refusal(body(b'{"a": [' + payload + b"]}") if payload else b"", large).code == (
        "invalid_json"
    )


@pytest.mark.parametrize("payload", GOOD_PAYLOADS.values(), ids=GOOD_PAYLOADS)
def test_good_payloads_are_kept_to_the_byte(payload: bytes) -> None:
    """With fields before and after."""
    for raw in (body(payload), body(payload, metadata={"a": "b"}, queue="q")):
        _, spec = READER.one(raw)
        assert decode_spec(spec).payload == payload


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        ("\ufeff{}".encode(), "invalid_json"),
        ('{"type":"mail","payload":1}'.encode("utf-16"), "invalid_json"),
        (b'{"type":"\xff","payload":1}', "invalid_json"),
        (b'{"type":"mail","payload":1} x', "invalid_json"),
        (b"[]", "invalid_task"),
        (b"null", "invalid_task"),
        (b'"mail"', "invalid_task"),
        (b"{}", "invalid_task"),
        (b'{"type":"mail"}', "invalid_task"),
        (b'{"payload":1}', "invalid_task"),
        (b'{"type":7,"payload":1}', "invalid_task"),
        (b'{"type":null,"payload":1}', "invalid_task"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"type":"mail","payload":1,"metadata":' + b'{"a":' * 2000, "invalid_json"),
    ],
)
def test_bodies_that_are_no_task_are_refused(raw: bytes, code: str) -> None:
    """Syntax is told from content."""
    assert refusal(raw).code in (code, "invalid_task")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"foo": 1}, "foo"),
        ({"Type": "x"}, "Type"),
        ({"task_id": "x"}, "task_id"),
        ({"ref": "a"}, "ref"),
        ({"priority": "URGENT"}, "priority"),
        ({"priority": 7}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"queue": "a b"}, "queue"),
        ({"queue": "a:b"}, "queue"),
        ({"queue": ""}, "queue"),
        ({"delay": -1}, "delay"),
        ({"delay": "soon"}, "delay"),
        ({"delay": 10**400}, "delay"),
        ({"delay": "5m", "scheduled_at": "2030-01-01T00:00:00Z"}, "not both"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at"),
        ({"scheduled_at": "2030-01-01T00:00:00"}, "time zone"),
        ({"scheduled_at": "9999-12-31T23:59:59-23:59"}, "9000"),
        ({"scheduled_at": 1_900_000_000}, "scheduled_at"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "31d"}, "timeout"),
        ({"retry_policy": {"max_retries": -1}}, "max_retries"),
        ({"retry_policy": {"max_retries": 100}}, "max_retries"),
        ({"retry_policy": {"max_retries": True}}, "max_retries"),
        ({"retry_policy": {"strategy": "never"}}, "strategy"),
        ({"retry_policy": {"initial_backoff": "x"}}, "initial_backoff"),
        ({"retry_policy": {"initial_backoff": 10, "max_backoff": 5}}, "max_backoff"),
        ({"retry_policy": {"backoff": 1}}, "backoff"),
        ({"retry_policy": 3}, "retry_policy"),
        ({"unique_key": ""}, "unique_key"),
        ({"unique_key": "x" * 513}, "unique_key"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": ["a"]}, "metadata"),
        ({"metadata": {"a": "x" * 5000}}, "metadata"),
        ({"durability": "paper"}, "durability"),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, Any], word: str) -> None:
    """With what is wrong with them, as 422."""
    problem = refusal(body(**fields))
    assert problem.kind.status == 422
    assert word in json.dumps(problem.document(), ensure_ascii=False)


@pytest.mark.parametrize("type", ["", "1x", "a b", "a\n", "é", "a" * 129, "../x", "a\x00"])
def test_malformed_type_names_are_refused(type: str) -> None:
    """Whatever types there are."""
    assert refusal(json.dumps({"type": type, "payload": 1}).encode()).code == "invalid_task"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("durability", "fsync"),
        ("durability", "replica"),
    ],
)
def test_what_comes_later_is_refused_by_name(name: str, value: Any) -> None:
    """Not ignored, which would promise it."""
    problem = refusal(body(**{name: value}))
    assert problem.code == "not_supported_yet"
    assert problem.document()["errors"] == [{"path": name, "message": "is not supported yet"}]
    nothing: dict[str, Any] = {name: None}
    READER.one(body(**nothing))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"type":"a","type":"b","payload":1}',
        b'{"type":"a","payload":1,"payload":2}',
        b'{"type":"a","payload":"x","payl\\u006fad":2}',
        b'{"type":"a","payload":1,"priority":null,"priority":"LOW"}',
        b'{"type":"a","payload":1,"retry_policy":{"jitter":true,"jitter":false}}',
        b'{"type":"a","payload":1,"metadata":{"a":"1","a":"2"}}',
        b'{"type":"a","payload":1,"metadata":{"a":"1"},"metadata":{}}',
    ],
)
def test_a_field_that_stands_twice_is_refused(raw: bytes) -> None:
    """The last would win without a word."""
    problem = refusal(raw)
    assert problem.code == "invalid_json"
    assert "twice" in problem.detail


def test_escaped_quotes_are_no_repetition() -> None:
    """Texts with quotes in them are read."""
    plan, _ = READER.one(body(unique_key='a "b" \\ c', metadata={'"': '"'}))
    assert plan.unique_key == 'a "b" \\ c'


def test_everything_that_may_be_said_arrives() -> None:
    """Durations as numbers and texts, priorities as names and numbers."""
    plan, spec = READER.one(
        body(
            b'{"to": "ada"}',
            priority="high",
            queue="mailing",
            timeout="1m",
            delay="250ms",
            unique_key="k",
            metadata={"order": "17"},
            retry_policy={"max_retries": 2, "strategy": "fixed", "initial_backoff": "10m"},
            durability="aof",
        )
    )
    assert (plan.type, plan.queue, plan.priority) == ("mail", "mailing", Priority.HIGH)
    assert (plan.delay_s, plan.unique_key) == (0.25, "k")
    read = decode_spec(spec)
    assert read.timeout_s == 60
    assert read.metadata == {"order": "17"}
    assert read.retry == RetryPolicy(2, "fixed", 600.0, 600.0, 2.0, jitter=True)
    plan, _ = READER.one(body(priority=0, scheduled_at="2030-01-01T00:00:00+01:00"))
    assert plan.priority == Priority.LOW
    assert plan.due_s == 1_893_452_400


def test_a_policy_that_says_little_is_filled_up_from_the_server() -> None:
    """MAX_RETRIES holds where the policy says nothing of it."""
    _, spec = READER.one(body(retry_policy={"strategy": "linear"}))
    assert decode_spec(spec).retry == RetryPolicy(max_retries=5, strategy="linear")


def test_with_an_application_types_are_known_and_say_their_defaults() -> None:
    """Unknown ones are refused; queue, priority and policy come from the definition."""
    app = Shoal(SETTINGS)

    @app.task("mail", queue="mailing", priority="LOW", max_retries=1)
    async def mail(ctx: object, payload: object) -> None: ...

    reader = TaskReader(SETTINGS, app.tasks)
    plan, _ = reader.one(body())
    assert (plan.queue, plan.priority) == ("mailing", Priority.LOW)
    plan, spec = reader.one(body(queue="other", retry_policy={"jitter": False}))
    assert plan.queue == "other"
    assert decode_spec(spec).retry == RetryPolicy(max_retries=1, jitter=False)
    problem = refusal(b'{"type":"nope","payload":1}', reader)
    assert problem.code == "unknown_type"
    assert "'nope'" in problem.detail


def test_a_payload_may_be_as_large_as_the_setting_says() -> None:
    """And not a byte larger."""
    READER.one(body(b'"' + b"x" * 4094 + b'"'))
    problem = refusal(body(b'"' + b"x" * 4095 + b'"'))
    assert (problem.code, problem.kind.status) == ("payload_too_large", 413)


def test_the_same_plain_task_is_planned_once() -> None:
    """Plans are shared, and their number is bounded."""
    reader = TaskReader(SETTINGS)
    assert reader.one(body(b"1"))[0] is reader.one(body(b"2"))[0]
    assert reader.one(body(b"1", priority=2))[0] is not reader.one(body(b"1"))[0]
    for n in range(5000):
        reader.one(json.dumps({"type": f"t{n}", "payload": 1}).encode())
    assert len(reader._plans) <= 4096


def test_a_batch_is_split_into_its_tasks() -> None:
    """Each is read by itself; the batch itself may be wrong too."""
    first, second = READER.batch(b'{"tasks": [{"type":"a","payload":[1]}, {"nonsense": 1}]}')
    assert READER.item(first).plan.type == "a"
    with pytest.raises(Problem, match="nonsense"):
        READER.item(second)
    with pytest.raises(Problem) as caught:
        READER.item(b'{"type":"a","payload":1,"ref":"x y"}')
    assert caught.value.code == "invalid_task"
    for raw in (
        b"{}",
        b"[]",
        b'{"tasks": []}',
        b'{"tasks": {}}',
        b'{"tasks": [1], "more": 1}',
        b'{"tasks": [1], "tasks": [2]}',
        json.dumps({"tasks": [1] * 1001}).encode(),
        b'{"tasks": [' + b"[" * 100_000,
    ):
        with pytest.raises(Problem) as caught:
            READER.batch(raw)
        assert 400 <= caught.value.kind.status < 500
