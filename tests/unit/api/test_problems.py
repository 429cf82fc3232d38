"""Every error has its problem, and every problem is one by RFC 9457."""

import json
import re
from pathlib import Path

import pytest
from aiohttp import web

from shoal import errors
from shoal.api.problems import KINDS, Problem, problem_of, problem_of_http

DOCS = Path(__file__).parents[3] / "docs" / "http.md"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.BrokerUnavailable(), 503, "broker_unavailable"),
        (errors.BrokerUnavailable(outcome_unknown=True), 503, "broker_unavailable"),
        (errors.BrokerUnavailable(outcome_unknown=True, ids=["a"]), 503, "outcome_unknown"),
        (errors.PartitionPaused(), 503, "partition_paused"),
        (errors.QueueFull(retry_after_s=2.5), 503, "queue_full"),
        (errors.MemoryFull(), 503, "memory_full"),
        (errors.TooManyTypes(), 422, "too_many_types"),
        (errors.TooManyQueues(), 422, "too_many_queues"),
        (errors.InvalidTask("x"), 422, "invalid_task"),
        (errors.InvalidPayload("x"), 422, "invalid_task"),
        (errors.UnknownTaskType(), 422, "unknown_type"),
        (errors.TaskNotFound(), 404, "task_not_found"),
        (errors.TaskNotCancellable(state="DEAD"), 409, "task_not_cancellable"),
        (errors.CannotDecrypt("k1", "and no key is here"), 409, "undecryptable"),
        (errors.TaskNotRequeueable(state="RUNNING"), 409, "task_not_requeueable"),
        (errors.BrokerError("secret"), 502, "broker_error"),
        (RuntimeError("secret"), 500, "internal_error"),
        (Problem("busy"), 503, "busy"),
    ],
)
def test_each_error_has_its_problem(error: Exception, status: int, code: str) -> None:
    """What has a time to come again says it, and nothing internal is told."""
    problem = problem_of(error)
    response = problem.response()
    assert (response.status, problem.code) == (status, code)
    assert response.content_type == "application/problem+json"
    assert ("Retry-After" in response.headers) == (status == 503 and code != "busy")
    document = json.loads(problem.encode())
    assert document["type"] == f"urn:shoal:problem:{code}"
    assert document["status"] == status
    assert "secret" not in json.dumps(document)


def test_fields_of_errors_are_members() -> None:
    """The state, the ids, and when to come again in whole seconds, rounded up."""
    assert problem_of(errors.TaskNotCancellable(state="DEAD")).document()["state"] == "DEAD"
    unknown = errors.BrokerUnavailable(outcome_unknown=True, ids=["a", "b"])
    assert problem_of(unknown).document()["ids"] == ["a", "b"]
    full = problem_of(errors.QueueFull(retry_after_s=2.5))
    assert full.response().headers["Retry-After"] == "3"
    assert full.document()["retry_after"] == 3


def test_what_aiohttp_refuses_is_a_problem_too() -> None:
    """Also what it has many words for."""
    not_allowed = problem_of_http(web.HTTPMethodNotAllowed("PUT", ["POST", "GET"]))
    assert not_allowed.response().headers["Allow"] == "GET, POST"
    assert problem_of_http(web.HTTPNotFound()).code == "not_found"
    assert problem_of_http(web.HTTPRequestEntityTooLarge(1, 2)).code == "body_too_large"
    assert problem_of_http(web.HTTPUnprocessableEntity()).kind.status < 500
    assert problem_of_http(web.HTTPBadGateway()).kind.status == 500


def test_bytes_that_are_no_text_can_be_told() -> None:
    """A path may hold them; the document is UTF-8 all the same."""
    detail = b"\xff\xc3".decode("utf-8", "surrogateescape")
    assert "?" in json.loads(Problem("invalid_id", detail).encode())["detail"]


def test_the_docs_list_every_problem() -> None:
    """With its status; and none that does not exist."""
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", DOCS.read_text("utf-8"), re.MULTILINE)
    assert dict(rows) == {code: str(kind.status) for code, kind in KINDS.items()}
