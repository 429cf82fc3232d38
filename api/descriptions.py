"""What the OpenAPI document says of each address: parameters, body, answers, and where one leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from shoal import documents
from shoal.api import bodies, schema
from shoal.api.listing import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET
from shoal.api.live.filters import FilterSpec
from shoal.api.routes.queues import MAX_PEEK
from shoal.api.routes.session import LoginBody
from shoal.model.identity import QUEUE_PATTERN, TYPE_PATTERN
from shoal.model.transitions import State

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query."""

    name: str
    schema: Schema
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """What there is to know of an address beyond the table of endpoints."""

    body: type[Struct] | None = None
    #: Status → what the body is; ``None`` = none, a text = of that media type.
    answers: Mapping[int, type[Struct] | str | None] = field(default_factory=dict)
    query: tuple[Parameter, ...] = ()
    #: Whether 2xx answers say where to look (``Location``).
    has_location: bool = False
    idempotent_key: bool = False
    #: Member of the answer → (operation, its parameter) that takes it.
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _limit(most: int, default: int) -> Parameter:
    kind: Schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", kind, "How many at most.")


_QUEUE = Parameter(
    "queue", {"type": "string", "pattern": QUEUE_PATTERN}, "Only this queue; otherwise all."
)
_TYPE = Parameter("type", {"type": "string", "pattern": TYPE_PATTERN}, "Only this task type.")
_CURSOR = Parameter(
    "cursor", {"type": "string"}, "The `next_cursor` of the page before; not with `offset`."
)
_FEED = (
    *(
        Parameter(name, {"type": "string"}, f"Only of these {name}, with commas between.")
        for name in FilterSpec.__struct_fields__
    ),
    Parameter(
        "mode",
        {"type": "string", "enum": ["every", "sample"], "default": "every"},
        "Whether all events are sent, or at most 200 each second.",
    ),
    Parameter("since", {"type": "string"}, "The id of an event: what happened after it."),
)
_SERIES = (
    Parameter(
        "range",
        {"type": "string", "default": "15m", "examples": ["6h"]},
        "How far back: a duration from 10 s to 7 days.",
    ),
    Parameter(
        "step",
        {"type": "string", "examples": ["10s"]},
        "Between two points; otherwise the smallest with at most 1,080 points.",
    ),
)
_INCLUDE = Parameter(
    "include",
    {"type": "string"},
    "What a page is to have beside the rest: of payload, result, error, attempts; comma between.",
)
_OFFSET = Parameter(
    "offset",
    {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
    "How many to leave out; deeper pages by `cursor`.",
)
_STATE = Parameter(
    "state", {"type": "string", "enum": [state.value for state in State]}, "Only this state."
)
_PAGE = (_TYPE, _limit(MAX_LIMIT, DEFAULT_LIMIT), _OFFSET, _CURSOR, _INCLUDE)
_WAIT = Parameter(
    "wait",
    {"type": "string", "pattern": r"^[0-9]{1,2}s$", "examples": ["10s"]},
    "Answer once it has ended, or after this time, at most 60 s.",
)
_TASK_LINKS = {"task_id": ("get_api_v1_tasks_id", "delete_api_v1_tasks_id")}
_TEXT = "text/plain"
_OPERATION = Description(
    answers={202: documents.OperationDocument},
    has_location=True,
    links={"id": ("get_api_v1_operations_id", "post_api_v1_operations_id_stop")},
)


def _answers(*rows: tuple[int, type[Struct] | str | None], **more: Any) -> Description:
    return Description(answers=dict(rows), **more)


_ONE_SCHEDULE = _answers((200, documents.ScheduleDocument))
_WISH = _answers((202, documents.WishAnswer))
_SWITCH = _answers((200, documents.SwitchAnswer), query=(_QUEUE,))

#: ``METHOD path`` → what there is to say.
DESCRIPTIONS: Mapping[str, Description] = {
    "POST /api/v1/tasks": _answers(
        (202, documents.Accepted),
        body=schema.TaskBody,
        has_location=True,
        idempotent_key=True,
        links=_TASK_LINKS,
    ),
    "POST /api/v1/tasks/batch": _answers(
        (202, documents.BatchAnswer), body=schema.BatchBody, idempotent_key=True
    ),
    "GET /api/v1/tasks": _answers((200, documents.TaskPage), query=(_STATE, *_PAGE)),
    "GET /api/v1/tasks/{id}": _answers((200, documents.TaskDocument), query=(_WAIT,)),
    "DELETE /api/v1/tasks/{id}": _answers(
        (200, documents.CancelAnswer), (202, documents.CancelAnswer)
    ),
    "POST /api/v1/session": _answers((201, documents.PrincipalDocument), body=LoginBody),
    "GET /api/v1/session": _answers((200, documents.PrincipalDocument)),
    "DELETE /api/v1/session": _answers((204, None)),
    "GET /ws": Description(
        answers={101: None},
        query=(Parameter("ticket", {"type": "string"}, "Of POST /api/v1/ws-tickets."),),
    ),
    "GET /api/v1/events": Description(answers={200: "text/event-stream"}, query=_FEED),
    "GET /api/v1/stats": _answers((200, documents.Stats)),
    "GET /api/v1/series": _answers((200, documents.SeriesDocument), query=_SERIES),
    "POST /api/v1/ws-tickets": _answers((201, documents.Ticket)),
    "POST /api/v1/operations": Description(
        bodies.OperationBody, _OPERATION.answers, has_location=True, links=_OPERATION.links
    ),
    "GET /api/v1/operations": _answers((200, documents.OperationList), query=(_limit(50, 20),)),
    "GET /api/v1/operations/{id}": _answers((200, documents.OperationDocument)),
    "POST /api/v1/operations/{id}/stop": _answers((202, documents.OperationDocument)),
    "GET /api/v1/schedules": _answers((200, documents.ScheduleList)),
    "POST /api/v1/schedules": _answers(
        (201, documents.ScheduleDocument),
        body=bodies.ScheduleBody,
        has_location=True,
        links={"id": ("get_api_v1_schedules_id", "delete_api_v1_schedules_id")},
    ),
    "GET /api/v1/schedules/{id}": _answers((200, documents.ScheduleWithTask)),
    "PUT /api/v1/schedules/{id}": _answers(
        (200, documents.ScheduleDocument), body=bodies.ScheduleBody, has_location=True
    ),
    "DELETE /api/v1/schedules/{id}": _answers((204, None)),
    "POST /api/v1/schedules/{id}/pause": _ONE_SCHEDULE,
    "POST /api/v1/schedules/{id}/resume": _ONE_SCHEDULE,
    "POST /api/v1/schedules/{id}/trigger": _answers((202, documents.Triggered), has_location=True),
    "GET /health": _answers((200, documents.Health), (503, documents.Health)),
    "GET /livez": _answers((200, _TEXT)),
    "GET /readyz": _answers((200, _TEXT), (503, _TEXT)),
    "GET /metrics": _answers((200, _TEXT)),
    "GET /admin/workers": _answers((200, documents.WorkerList)),
    "GET /admin/workers/{id}": _answers((200, documents.WorkerDocument)),
    "POST /admin/workers/{id}/pause": _WISH,
    "POST /admin/workers/{id}/resume": _WISH,
    "POST /admin/workers/{id}/shutdown": _WISH,
    "GET /admin/queues": _answers((200, documents.QueueList), query=(_QUEUE,)),
    "GET /admin/queues/{priority}": _answers((200, documents.QueueDocument), query=(_QUEUE,)),
    "DELETE /admin/queues/{priority}": _answers(
        (200, documents.PurgeAnswer),
        (202, documents.PurgeAnswer),
        query=(
            Parameter("confirm", {"type": "string"}, "The priority once more.", required=True),
            _QUEUE,
        ),
    ),
    "GET /admin/queues/{priority}/peek": _answers(
        (200, documents.PeekAnswer), query=(_QUEUE, _limit(MAX_PEEK, 20))
    ),
    "POST /admin/queues/{priority}/pause": _SWITCH,
    "POST /admin/queues/{priority}/resume": _SWITCH,
    "GET /admin/dlq": _answers((200, documents.TaskPage), query=_PAGE),
    "GET /admin/dlq/groups": _answers(
        (200, documents.DeadGroupList),
        query=(
            Parameter(
                "most",
                {"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 10_000},
                "Of how many tasks of each partition they are counted.",
            ),
        ),
    ),
    "POST /admin/dlq/retry": Description(
        bodies.RetryBody, _OPERATION.answers, has_location=True, links=_OPERATION.links
    ),
    "POST /admin/tasks/{id}/retry": _answers((200, documents.RequeueAnswer)),
    "POST /admin/tasks/{id}/cancel": _answers(
        (200, documents.CancelAnswer), (202, documents.CancelAnswer)
    ),
    "GET /admin/metrics": _answers((200, documents.MetricsDocument)),
    "POST /admin/config/reload": _answers((200, documents.ReloadAnswer)),
    "GET /admin/audit": _answers(
        (200, documents.AuditPage),
        query=(
            _limit(200, 50),
            _CURSOR,
            Parameter("who", {"type": "string"}, "Only of this principal."),
            Parameter("action", {"type": "string"}, "Only this action."),
        ),
    ),
}
