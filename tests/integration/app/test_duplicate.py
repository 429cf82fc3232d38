"""Copies of tasks."""

import pytest

from shoal import Shoal
from shoal.errors import InvalidPayload, InvalidTask, TaskNotFound
from shoal.model.identity import task_id
from shoal.model.transitions import State


async def test_a_copy_has_all_but_the_unique_key_and_the_time(app: Shoal) -> None:
    """Queue, priority, policy, timeout, metadata and payload go over; the copy is ready at once."""
    handle = await app.submit(
        "email.send",
        {"to": "ada", "big": 10**30},
        priority="high",
        queue="mail",
        max_retries=5,
        timeout="30s",
        metadata={"order": "17"},
        unique_key="k",
        delay="5m",
    )
    copy = await app.duplicate(handle.id)
    task, original = await copy.task(), await handle.task()
    assert copy.id != handle.id
    assert task.state is State.PENDING
    for name in ("type", "payload", "priority", "queue", "timeout", "retry_policy", "metadata"):
        assert getattr(task, name) == getattr(original, name), name
    # The key is still the original's.
    assert (await app.submit("email.send", unique_key="k")).id == handle.id


async def test_another_payload_and_an_own_id(app: Shoal) -> None:
    """The payload may be another one, also null; with an id the copy is made once."""
    handle = await app.submit("t", [1])
    own = task_id(3, 1_700_000_000_000, 5)
    assert (await app.duplicate(handle.id, None, new_id=own)).id == own
    assert (await app.duplicate(handle.id, [2], new_id=own)).id == own
    assert (await app.handle(own).task()).payload is None
    assert (await (await app.broker()).counts_by_state())["PENDING"] == 2


async def test_refused(app: Shoal) -> None:
    """An unknown task, a wrong id and a payload that is no JSON say so."""
    handle = await app.submit("t")
    with pytest.raises(TaskNotFound):
        await app.duplicate(task_id(0, 1_700_000_000_000, 5))
    with pytest.raises(InvalidTask, match="invalid task id"):
        await app.duplicate(handle.id, new_id="7")
    with pytest.raises(InvalidPayload):
        await app.duplicate(handle.id, float("nan"))
