"""What clients say on the WebSocket."""

from __future__ import annotations

from typing import Any

import msgspec

from shoal.api.live.filters import Filter, FilterSpec
from shoal.model.cursor import Cursor
from shoal.model.identity import parse_task_id
from shoal.model.selection import check_operation_id

#: Of one message, in bytes.
MAX_MESSAGE = 64 * 1024
#: Subscriptions of a connection.
MAX_TOPICS = 64
MAX_TOPIC_LENGTH = 200
_MAX_PING = 1024


class Wrong(Exception):
    """A message that is not understood; ``code`` and text go to the client."""

    def __init__(self, code: str, detail: str, topic: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.topic = topic


class Message(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A message; which members belong to which ``op`` is in docs/websocket.md."""

    op: str
    topic: str = ""
    filter: FilterSpec | None = None
    mode: str = "sample"
    since: str | None = None
    data: Any = None

    @property
    def wanted(self) -> Filter:
        """The filter; raises ``Wrong``."""
        try:
            return Filter.build(self.filter or FilterSpec())
        except ValueError as error:
            raise Wrong("invalid_message", f"filter: {error}", self.topic) from None

    @property
    def cursor(self) -> Cursor | None:
        """Where to go on; raises ``Wrong``."""
        if self.since is None:
            return None
        try:
            return Cursor.decode(self.since)
        except ValueError as error:
            raise Wrong("invalid_cursor", f"since: {error}", self.topic) from None


_DECODER = msgspec.json.Decoder(Message)


def parse(text: str) -> Message:
    """Read a message.

    Raises:
        Wrong: It is none.
    """
    try:
        message = _DECODER.decode(text)
    except msgspec.ValidationError as error:
        raise Wrong("invalid_message", f"{error!s:.200}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise Wrong("invalid_json", "A message is one JSON object.") from None
    if message.op == "ping":
        if len(msgspec.json.encode(message.data)) > _MAX_PING:
            raise Wrong("invalid_message", f"data: at most {_MAX_PING} bytes")
        return message
    if message.op not in ("sub", "unsub"):
        raise Wrong("invalid_message", "op: must be sub, unsub or ping")
    if not 0 < len(message.topic) <= MAX_TOPIC_LENGTH:
        raise Wrong("invalid_message", f"topic: must have 1 to {MAX_TOPIC_LENGTH} characters")
    if message.mode not in ("sample", "every"):
        raise Wrong("invalid_message", "mode: must be sample or every", message.topic)
    return message


def normal_topic(topic: str) -> str:
    """A topic as it is known: ids are told in lower case.

    Raises:
        Wrong: There is no such topic.
    """
    kind, colon, rest = topic.partition(":")
    if kind == "task" and colon:
        try:
            return f"task:{parse_task_id(rest)}"
        except ValueError as error:
            raise Wrong("unknown_topic", str(error), topic) from None
    if kind == "operation" and colon:
        try:
            check_operation_id(rest)
        except ValueError as error:
            raise Wrong("unknown_topic", str(error), topic) from None
    return topic
