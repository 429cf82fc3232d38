"""How tasks look as JSON."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from shoal.api.state import ApiState
from shoal.broker.results import Inspected
from shoal.codec import decode_spec
from shoal.sealed import opened
from shoal.task_view import view_task
from shoal.vault import Vault


def document_of(task: Inspected, state: ApiState) -> dict[str, Any]:
    """A task's whole document; payload and result are the very bytes that were submitted and returned.

    What was encrypted with a key that is not here says so.
    """
    task = opened(Vault.of(state.settings), task)
    definitions = state.definitions or {}
    definition = definitions.get(task.fields.get("type", b"").decode())
    view = view_task(task, state.settings.task, definition)
    document = view.to_json()
    # What cannot be read is None in the view already.
    if view.payload is not None:
        document["payload"] = Raw(decode_spec(task.fields["spec"]).payload)
    if view.result is not None:
        document["result"] = Raw(task.fields["result"])
    document["cancel_requested"] = view.state == "RUNNING" and "cancel" in task.fields
    return document
