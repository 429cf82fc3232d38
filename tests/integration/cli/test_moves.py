"""Operators' commands: queues, the dead letter queue, and moves of tasks."""

import asyncio

import pytest

from shoal.errors import ExitStatus
from tests.integration.cli.conftest import Run, SceneMaker
from tests.support.builders import outcome
from tests.support.waiting import wait_until


def test_peek_and_purge(run: Run, scene_here: SceneMaker) -> None:
    """What waits is shown without being taken, and purged only with --yes when nobody can answer."""
    for number in range(3):
        run("submit", "mail", str(number))
    shown = run("queues", "peek", "default", "-n", "2", "--json").json["tasks"]
    assert [row["type"] for row in shown] == ["mail", "mail"]
    assert "mail" in run("queues", "peek", "default").out
    assert "nothing waits" in run("queues", "peek", "default", "-p", "high").err

    refused = run("queues", "purge", "default")
    assert refused.status == ExitStatus.CONFIGURATION
    assert "Cancel the 3 tasks that wait in queue default? Nobody can answer here" in refused.err
    assert run("queues", "--json").json["states"]["PENDING"] == 3
    assert run("queues", "purge", "default", "-p", "HIGH", "--yes", "--json").json == {"purged": 0}
    assert "3 tasks" in run("queues", "purge", "default", "--yes").out
    assert run("queues", "--json").json["states"]["CANCELLED"] == 3


def test_pause_and_resume(run: Run) -> None:
    """A queue, a priority of it, or all; saying it twice is no error."""
    run("submit", "mail")
    assert run("queues", "pause", "default", "-p", "high", "--json").json == {
        "target": "default:2",
        "state": "paused",
        "changed": True,
    }
    rows = run("queues", "--json").json["queues"]
    assert [row["priority"] for row in rows if row["paused"]] == ["HIGH"]
    assert "paused already" in run("queues", "pause", "default", "-p", "2").out
    assert "all queues: paused" in run("queues", "pause", "--all").out
    assert "all queues: resumed" in run("queues", "resume", "--all").out
    assert "was not paused" in run("queues", "resume", "--all").out
    assert run("queues", "resume", "default", "-p", "HIGH").status == ExitStatus.OK


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["queues", "pause"], "name a QUEUE"),
        (["queues", "resume", "a", "--all"], "name a QUEUE"),
        (["queues", "pause", "a:b"], "invalid queue"),
        (["queues", "peek", "default", "-p", "urgent"], "urgent"),
        (["cancel"], "say which tasks"),
        (["cancel", "-s", "waiting"], "a state is one of"),
        (["cancel", "-s", "DEAD"], "cancel takes the states"),
        (["requeue", "-s", "DEAD", "--since", "yesterday"], "is no time"),
        (["requeue", "-s", "DEAD", "--since", "2030-01-31T12:00:00"], "is no time"),
        (["requeue", "7"], "invalid task id"),
        (["requeue", "-s", "DEAD", "--operation", "a b"], "invalid operation id"),
        (["delete", "-s", "COMPLETED"], "Delete all COMPLETED tasks for ever? Nobody can answer"),
        (["dlq", "requeue"], "--all"),
        (["dlq", "delete"], "--all"),
        (["dlq", "delete", "--all"], "Delete all DEAD tasks for ever? Nobody can answer"),
        (["dlq", "delete", "-s", "PENDING"], "delete takes the states"),
        (["dlq", "list", "-t", "7"], "invalid task type"),
    ],
)
def test_refused(run: Run, arguments: list[str], words: str) -> None:
    """One line that says what to write, and nothing was done."""
    said = run(*arguments)
    assert said.status == ExitStatus.CONFIGURATION
    [line] = said.err.splitlines()
    assert words in line


def test_dead_letters(run: Run, scene_here: SceneMaker) -> None:
    """They are listed and grouped, brought back by group, and deleted."""

    async def die() -> None:
        async with scene_here() as scene:
            claims = await scene.running("a", "b", "c")
            body = b'{"type": "SMTPError", "message": "refused"}'
            for name, print_ in (("a", b"p1"), ("b", b"p1"), ("c", b"p2")):
                await scene.settle(
                    outcome(claims[name], "dead", detail=b"exhausted:" + print_, body=body)
                )

    asyncio.run(die())
    assert len(run("dlq", "list", "--json").json["tasks"]) == 3
    assert "SMTPError: refused" in run("dlq", "list", "-n", "1").out
    groups = run("dlq", "groups", "--json").json
    assert [(g["tasks"], g["fingerprint"]) for g in groups["groups"]] == [(2, "p1"), (1, "p2")]
    assert "p1" in run("dlq", "groups").out

    done = run("dlq", "requeue", "--fingerprint", "p1", "--operation", "op-1", "--json").json
    assert done == {"operation": "op-1", "answers": {"requeued": 2}}
    again = run("dlq", "requeue", "--fingerprint", "p1", "--operation", "op-1", "--json").json
    assert again == done
    gone = run("dlq", "delete", "--fingerprint", "p1", "--yes")
    assert "no task fits" in gone.err
    other = run("dlq", "requeue", "--all", "--operation", "op-1")
    assert "stands for another operation" in other.err
    assert "requeued" in run("dlq", "requeue", "--all").out
    assert run("queues", "--json").json["states"]["DEAD"] == 0

    async def check() -> None:
        async with scene_here():
            pass

    asyncio.run(check())


def test_dead_letters_are_deleted_by_group(run: Run, scene_here: SceneMaker) -> None:
    """Those of the named error, once their tombstone may go; the others stay."""

    async def die() -> None:
        async with scene_here() as scene:
            claims = await scene.running("a", "b")
            for name in ("a", "b"):
                detail = b"exhausted:" + name.encode()
                await scene.settle(outcome(claims[name], "dead", detail=detail))

    asyncio.run(die())

    def answers() -> object:
        return run("dlq", "delete", "--fingerprint", "a", "--yes", "--json").json["answers"]

    wait_until(lambda: answers() == {"deleted": 1}, "the tombstone's time is over")
    assert run("queues", "--json").json["states"]["DEAD"] == 1


def test_cancel_requeue_delete_by_id(run: Run) -> None:
    """One task goes through all of them; unknown ids are counted."""
    task_id = run("submit", "mail").out.strip()
    unknown = task_id[:-4] + "0000"
    assert run("cancel", task_id, unknown, "--json").json["answers"] == {
        "cancelled": 1,
        "not_found": 1,
    }
    assert run("requeue", task_id, "--json").json["answers"] == {"requeued": 1}
    assert "cancelled" in run("cancel", "-s", "pending", "--since", "1h", "--yes").out
    assert "no task fits" in run("cancel", "-s", "pending", "-q", "other", "--yes").err
    answers = run("delete", task_id, "--yes", "--json").json["answers"]
    assert answers in ({"recent": 1}, {"deleted": 1})


def test_duplicate(run: Run) -> None:
    """A copy has the same payload or another, and a new id; with its id given it is made once."""
    task_id = run("submit", "mail", '{"to": "ada"}', "-p", "HIGH").out.strip()
    copy = run("duplicate", task_id, "--json").json
    assert copy["copy_of"] == task_id
    shown = run("task", copy["id"], "--json").json
    assert (shown["payload"], shown["priority"], shown["state"]) == (
        {"to": "ada"},
        "HIGH",
        "PENDING",
    )
    new_id = task_id[:-4] + "0000"
    for _ in range(2):
        assert run("duplicate", task_id, "[1]", "--new-id", new_id).out.strip() == new_id
    assert run("task", new_id, "--json").json["payload"] == [1]
    assert run("queues", "--json").json["states"]["PENDING"] == 3
    assert run("duplicate", task_id, "{bad").status == ExitStatus.INVALID_TASK
    assert run("duplicate", task_id[:-4] + "1111").status == ExitStatus.TASK_NOT_FOUND
