"""What the client decides without a server: retries, errors, bodies, the made half."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from shoal.api.problems import KINDS
from shoal.client.answers import page_of, task_of
from shoal.client.errors import ApiFailed, ApiProblem, ApiUnreachable, RateLimited, error_of
from shoal.client.following import Following
from shoal.client.library import httpx, httpx_sse
from shoal.client.options import Options
from shoal.client.retrying import Call, Done, Tries, retry_after_s
from shoal.errors import BrokerUnavailable, ConfigurationError, QueueFull, ShoalError
from shoal.trace_context import is_traceparent, with_trace

ROOT = Path(__file__).resolve().parents[3]


def _answer(status: int, code: str = "", headers: dict[str, str] | None = None) -> httpx.Response:
    if not code:
        return httpx.Response(status, headers=headers)
    problem = {"code": code, "status": status, "detail": "d"}
    kind = {"Content-Type": "application/problem+json"}
    return httpx.Response(status, json=problem, headers={**kind, **(headers or {})})


def _call(**more: Any) -> Call[Any]:
    return Call("POST", "/x", lambda document: document, **more)


def test_the_half_without_asyncio_is_made_from_the_other() -> None:
    """The committed files are what scripts/sync_client.py makes."""
    script = ROOT / "scripts" / "sync_client.py"
    run = subprocess.run(
        [sys.executable, script, "--check"], check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_problem_is_an_exception_that_can_be_sent(code: str) -> None:
    """Each code of the API has one that says its detail and survives a pickle."""
    import pickle

    problem = {"code": code, "status": KINDS[code].status, "detail": "what to do", "state": "DEAD"}
    error = error_of(KINDS[code].status, problem, 2.0)
    assert "what to do" in str(error)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(copy), str(copy)) == (type(error), str(error))
    assert type(error) is not ApiProblem


@pytest.mark.parametrize(("text", "seconds"), [("3", 3), ("0", 0), ("-5", 0)])
def test_retry_after_may_be_seconds(text: str, seconds: float) -> None:
    """A number is seconds; what is past is now."""
    assert retry_after_s(text) == seconds


@pytest.mark.parametrize(("days", "low", "high"), [(1, 80_000, 86_400), (-1, 0, 0)])
def test_retry_after_may_be_a_date(days: int, low: float, high: float) -> None:
    """A date is so long from now; what is past is now."""
    date = format_datetime(datetime.now(UTC) + timedelta(days=days), usegmt=True)
    seconds = retry_after_s(date)
    assert seconds is not None
    assert low <= seconds <= high


@pytest.mark.parametrize("text", [None, "soon", "inf", "nan", ""])
def test_what_is_no_time_is_not_waited_for(text: str | None) -> None:
    """It counts as not said."""
    assert retry_after_s(text) is None


def test_what_was_sent_is_repeated_only_when_that_is_safe() -> None:
    """A lost answer of a call that is not repeatable is told at once, as unknown; one not sent is tried again."""
    tries = Tries(_call(is_repeatable=False), 3)
    assert tries.failed(httpx.ConnectError("no")) <= 0.2
    with pytest.raises(ApiUnreachable) as unknown:
        tries.failed(httpx.ReadTimeout("slow"))
    assert unknown.value.outcome_unknown
    with pytest.raises(BrokerUnavailable):
        Tries(_call(is_repeatable=False), 3).answered(_answer(503, "broker_unavailable"))
    assert isinstance(Tries(_call(), 3).answered(_answer(503, "broker_unavailable")), float)


def test_retry_after_is_waited_for_and_has_an_end() -> None:
    """At least so long; a longer one than a minute is the caller's; after the last try it is raised."""
    pause = Tries(_call(), 3).answered(_answer(429, "rate_limited", {"Retry-After": "7"}))
    assert isinstance(pause, float)
    assert 7 <= pause <= 7.2
    with pytest.raises(RateLimited) as late:
        Tries(_call(), 3).answered(_answer(429, "rate_limited", {"Retry-After": "3600"}))
    assert late.value.retry_after_s == 3600
    tries = Tries(_call(), 1)
    tries.answered(_answer(503, "queue_full"))
    with pytest.raises(QueueFull):
        tries.answered(_answer(503, "queue_full"))


def test_an_error_after_an_unknown_try_may_mean_success() -> None:
    """Only after one that may have been carried out."""

    def settled(error: ShoalError) -> str:
        return "done before"

    tries = Tries(_call(if_repeated=settled), 3)
    with pytest.raises(ShoalError):
        tries.answered(_answer(409, "task_not_cancellable"))
    tries = Tries(_call(if_repeated=settled), 3)
    tries.failed(httpx.ReadError("cut"))
    assert tries.answered(_answer(409, "task_not_cancellable")) == Done("done before")


@pytest.mark.parametrize("document", [None, [], {}, {"id": 1}, {"tasks": 3}, "x"])
def test_an_answer_of_something_else_is_told_as_such(document: Any) -> None:
    """One line instead of a KeyError."""
    for read in (task_of, page_of):
        with pytest.raises(ApiFailed, match="not one of Shoal's API"):
            read(document)


def test_options_never_show_the_key(tmp_path: Path) -> None:
    """Not in their repr; and a file of authorities that is none is said in one line."""
    options = Options("https://x", key="the-secret-key", verify=tmp_path / "none.pem")
    assert "secret" not in repr(options)
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        options.tls()
    with pytest.raises(ConfigurationError, match="not both"):
        Options("https://x", key="a", token="b")


def test_events_tell_what_cannot_be_resumed() -> None:
    """A connection lost before the first event is a gap that is told; after one it is resumed."""
    following = Following(None)
    assert following.check(httpx.Response(200))
    assert following.gap() is None
    following.lost(stood=True)
    gap = following.gap()
    assert gap is not None
    assert gap.type == "missed"
    sent = httpx_sse.ServerSentEvent(
        "task.submitted",
        '{"seq":1,"id":"c","type":"task.submitted","timestamp":"2030-01-01T00:00:00.000Z","data":{}}',
    )
    event = following.received(sent)
    assert event is not None
    assert following.headers()["Last-Event-ID"] == "c"
    following.lost(stood=True)
    assert following.gap() is None
    assert not following.check(httpx.Response(503))
    with pytest.raises(ApiProblem):
        following.check(httpx.Response(403))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("00-" + "a" * 32 + "-" + "b" * 16 + "-01", True),
        ("01-" + "a" * 32 + "-" + "b" * 16 + "-01-more", True),
        ("00-" + "a" * 32 + "-" + "b" * 16 + "-01-more", False),
        ("ff-" + "a" * 32 + "-" + "b" * 16 + "-01", False),
        ("00-" + "0" * 32 + "-" + "b" * 16 + "-01", False),
        ("00-" + "a" * 32 + "-" + "0" * 16 + "-01", False),
        ("00-" + "A" * 32 + "-" + "b" * 16 + "-01", False),
        ("", False),
        ("01-" + "a" * 32 + "-" + "b" * 16 + "-01-" + "x" * 100, False),
    ],
)
def test_what_is_a_traceparent(text: str, *, good: bool) -> None:
    """As W3C Trace Context says; what the submitter put into the metadata stays."""
    assert is_traceparent(text) is good
    assert with_trace({"traceparent": "mine"}, text) == {"traceparent": "mine"}
    assert with_trace(None, None) == {}
