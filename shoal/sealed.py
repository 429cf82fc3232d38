"""What of a task is encrypted when there are keys, and how it is read with and without them.

Sealed are the payload, the result, the message, traceback and field errors of an error, the texts of
its history, and what its handlers reported. In the clear stay id, type, queue, metadata, unique key,
times, sizes, an error's type and fingerprint, and the fraction of a progress report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from shoal.errors import CannotDecrypt
from shoal.vault import SEALED, SEALED_TEXT, Vault, open_bytes, open_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shoal.broker.results import Inspected
    from shoal.model.schedule import ScheduleRecord

#: Outcomes of a run whose body and history line come from the handler.
_OF_HANDLER: Final = frozenset({"completed", "failed", "dead"})
#: What stays readable of an error and of a progress report.
_CLEAR: Final[Mapping[str, tuple[str, ...]]] = {
    "error": ("type", "fingerprint"),
    "progress": ("fraction", "attempt", "at"),
}
#: Member of a document that holds the rest of it, sealed.
_REST: Final = "sealed"
_SEPARATOR: Final = b"\x1f"
_encode = msgspec.json.encode
_decode = msgspec.json.decode


def seal_spec(vault: Vault, task_id: str, header: bytes, spec: bytes) -> bytes:
    """A spec whose payload is sealed for this task; ``header`` is what it begins with."""
    return header + vault.seal(task_id, "payload", spec[len(header) :])


def seal_outcome(
    vault: Vault, task_id: str, word: str, detail: bytes, body: bytes, tail: bytes
) -> tuple[bytes, bytes]:
    """The body of an outcome and the end of its history line, sealed.

    Why a payload could not be decrypted stays readable, for whoever has to find the key.
    """
    if word not in _OF_HANDLER or detail.startswith(b"decrypt"):
        return body, tail
    if body:
        if word == "completed":
            body = vault.seal(task_id, "result", body)
        else:
            body = seal_document(vault, task_id, "error", body)
    start, separator, text = tail.rpartition(_SEPARATOR)
    if text:
        sealed = vault.seal_text(task_id, "history", text.decode("utf-8", "replace"))
        tail = start + separator + sealed.encode()
    return body, tail


def seal_document(vault: Vault, task_id: str, field: str, raw: bytes) -> bytes:
    """An ``error`` or ``progress`` document with all sealed but what its readers count on."""
    document: dict[str, Any] = _decode(raw)
    kept = {name: document.pop(name) for name in _CLEAR[field] if name in document}
    if document:
        kept[_REST] = vault.seal_text(task_id, field, _encode(document).decode())
    return _encode(kept)


def seal_line(vault: Vault, task_id: str, line: bytes) -> bytes:
    """A line of a task's log whose message is sealed."""
    attempt, at_ms, level, message = _decode(line)
    return _encode([attempt, at_ms, level, vault.seal_text(task_id, "log", message)]) + b"\n"


def payload_of(vault: Vault | None, task_id: str, payload: bytes) -> bytes:
    """A stored payload's JSON.

    Raises:
        CannotDecrypt: It can't be opened here.
    """
    return open_bytes(vault, task_id, "payload", payload)


def result_of(vault: Vault | None, task_id: str, result: bytes) -> bytes:
    """A stored result's JSON; raises as ``payload_of``."""
    return open_bytes(vault, task_id, "result", result)


def open_schedule(vault: Vault | None, record: ScheduleRecord) -> str:
    """The payload's JSON of a schedule as it stands in Redis; raises as ``payload_of``."""
    return open_text(vault, record.id, "schedule", record.payload)


def opened(vault: Vault | None, task: Inspected) -> Inspected:
    """The task as if nothing were encrypted; what can't be opened says so: ``encrypted with key k1``."""
    fields = dict(task.fields)
    for name, read in _READERS.items():
        if stored := fields.get(name):
            fields[name] = read(vault, task.id, stored)
    return task._replace(fields=fields)


def _marker(error: CannotDecrypt) -> str:
    return f"encrypted with key {error.key_id}"


def _spec(vault: Vault | None, task_id: str, stored: bytes) -> bytes:
    header, separator, payload = stored.partition(b"\n")
    if not payload.startswith(SEALED):
        return stored
    return header + separator + _value("payload")(vault, task_id, payload)


def _value(field: str) -> Callable[[Vault | None, str, bytes], bytes]:
    def read(vault: Vault | None, task_id: str, stored: bytes) -> bytes:
        try:
            return open_bytes(vault, task_id, field, stored)
        except CannotDecrypt as error:
            return _encode(_marker(error))

    return read


def _document(field: str) -> Callable[[Vault | None, str, bytes], bytes]:
    def read(vault: Vault | None, task_id: str, stored: bytes) -> bytes:
        if b'"sealed"' not in stored:
            return stored
        try:
            document = _decode(stored, type=dict[str, Any])
            rest = document.pop(_REST, None)
            if not isinstance(rest, str):
                return stored
            try:
                document |= _decode(open_text(vault, task_id, field, rest), type=dict[str, Any])
            except CannotDecrypt as error:
                document["message"] = _marker(error)
            return _encode(document)
        except msgspec.MsgspecError:  # damaged: shown as it is, as everywhere
            return stored

    return read


def _log(vault: Vault | None, task_id: str, stored: bytes) -> bytes:
    if b'"\\u0002' not in stored:
        return stored
    lines = []
    for line in stored.split(b"\n"):
        try:
            attempt, at_ms, level, message = _decode(line)
            line = _encode([attempt, at_ms, level, _text(vault, task_id, "log", message)])  # noqa: PLW2901
        except (msgspec.MsgspecError, ValueError, TypeError):
            pass  # its reader leaves a damaged one out
        lines.append(line)
    return b"\n".join(lines)


def _history(vault: Vault | None, task_id: str, stored: bytes) -> bytes:
    mark = _SEPARATOR + SEALED_TEXT.encode()
    if mark not in stored:
        return stored
    lines = []
    for line in stored.split(b"\n"):
        start, separator, text = line.rpartition(_SEPARATOR)
        clear = _text(vault, task_id, "history", text.decode("utf-8", "replace"))
        lines.append(start + separator + clear.encode())
    return b"\n".join(lines)


def _text(vault: Vault | None, task_id: str, field: str, stored: str) -> str:
    try:
        return open_text(vault, task_id, field, stored)
    except CannotDecrypt as error:
        return _marker(error)


_READERS: Final[Mapping[str, Callable[[Vault | None, str, bytes], bytes]]] = {
    "spec": _spec,
    "result": _value("result"),
    "error": _document("error"),
    "progress": _document("progress"),
    "log": _log,
    "history": _history,
}
