"""`shoal schedules`."""

from shoal.errors import ExitStatus
from tests.integration.cli.conftest import Run


def test_a_schedule_goes_its_way(run: Run) -> None:
    """Added, listed, triggered, paused, resumed, removed."""
    assert "no schedule yet" in run("schedules", "list").err
    document = run(
        "schedules", "add", "daily", "0 9 * * 1-5", "report", '{"n": 1}',
        "--tz", "Europe/Berlin", "--missed", "skip", "-p", "HIGH", "--json",
    ).json  # fmt: skip
    assert (document["cron"], document["missed"], document["source"]) == (
        "0 9 * * 1-5",
        "skip",
        "operator",
    )
    assert document["next"] is not None
    assert "daily" in run("schedules", "list").out
    task_id = run("schedules", "trigger", "daily").out.strip()
    assert run("task", task_id, "--json").json["payload"] == {"n": 1}
    assert "paused" in run("schedules", "pause", "daily").out
    assert "paused already" in run("schedules", "pause", "daily").out
    assert run("schedules", "list", "--json").json["schedules"][0]["next"] is None
    assert "resumed" in run("schedules", "resume", "daily").out
    assert "was not paused" in run("schedules", "resume", "daily").out
    assert "add --yes" in run("schedules", "remove", "daily").err
    assert "removed" in run("schedules", "remove", "daily", "--yes").out


def test_refused(run: Run) -> None:
    """One line each."""
    unknown = run("schedules", "trigger", "daily")
    assert unknown.status == ExitStatus.TASK_NOT_FOUND
    assert "no schedule 'daily'" in unknown.err
    for arguments, words in (
        (("daily", "0 9 * *", "report"), "five fields"),
        (("daily", "@daily", "report", "--tz", "Mars"), "unknown time zone"),
        (("daily", "@daily", "report", "{bad"), "no valid JSON"),
    ):
        said = run("schedules", "add", *arguments)
        assert said.status == ExitStatus.INVALID_TASK
        assert words in said.err
