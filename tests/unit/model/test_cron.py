"""When schedules tick: expressions, time zones whose clocks change, and ticks that were missed."""

from datetime import UTC, datetime

import pytest

from shoal.model.cron import MAX_MISSED, Missed, check_cron, due_ticks, next_tick

MINUTE_MS = 60_000


def ms(text: str) -> int:
    """Unix ms of a time in UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def ticks(expression: str, tz: str, after: str, count: int) -> list[str]:
    """The next ticks, in UTC."""
    found, at = [], ms(after)
    for _ in range(count):
        at = next_tick(expression, tz, at) or 0
        found.append(datetime.fromtimestamp(at / 1000, UTC).strftime("%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("expression", "tz", "says"),
    [
        ("", "UTC", "must have five fields"),
        ("* * * *", "UTC", "must have five fields"),
        ("0 0 * * * *", "UTC", "must have five fields"),
        ("60 * * * *", "UTC", "Bad minute; it is minute hour"),
        ("* 24 * * *", "UTC", "Bad hour"),
        ("* * L/W * *", "UTC", "Bad day-of-month"),
        ("* * * * 1#6", "UTC", "Bad day-of-week"),
        ("*/0 * * * *", "UTC", "Bad minute"),
        ("0 0 30 2 *", "UTC", "Bad day-of-month"),
        ("@never", "UTC", "unknown cron name"),
        ("1," * 200, "UTC", "five fields"),
        ("0 9 * * *", "Europe/Atlantis", "unknown time zone"),
        ("0 9 * * *", "../etc/passwd", "unknown time zone"),
        ("0 9 * * *", "", "unknown time zone"),
    ],
)
def test_what_is_wrong_is_said(expression: str, tz: str, says: str) -> None:
    """A bad expression or zone names the field and what to write."""
    with pytest.raises(ValueError, match=says):
        check_cron(expression, tz)


def test_names_and_spaces() -> None:
    """Names stand for their expression; spaces between fields do not matter."""
    assert check_cron("@Daily") == "0 0 * * *"
    assert check_cron("  0  9 * *   mon-fri ") == "0 9 * * mon-fri"
    assert ticks("0 9 * * mon-fri", "UTC", "2026-11-20T10:00", 1) == ["11-23 09:00"]


def test_a_tick_in_the_hour_left_out_comes_as_soon_as_clocks_have_passed_it() -> None:
    """02:30 does not exist on 29 March in Berlin: it ticks at 03:00 there (01:00 UTC), once."""
    found = ticks("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2)
    assert found == ["03-29 01:00", "03-30 00:30"]
    # Two that fall together are one.
    assert ticks("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2) == [
        "03-29 01:00",
        "03-30 00:00",
    ]


def test_a_tick_in_the_hour_that_comes_twice_comes_once() -> None:
    """02:30 comes twice on 25 October: it ticks at the first, also when it is asked between the two."""
    found = ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2)
    assert found == ["10-25 00:30", "10-26 01:30"]
    assert ticks("50 2 * * *", "Europe/Berlin", "2026-10-25T01:45", 1) == ["10-26 01:50"]


def test_a_tick_of_every_hour_follows_real_time() -> None:
    """Each of the two hours has its ticks, and the hour left out has none."""
    found = ticks("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:10", 4)
    assert found == ["10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"]
    found = ticks("0 * * * *", "Europe/Berlin", "2026-03-29T00:10", 2)
    assert found == ["03-29 01:00", "03-29 02:00"]


def test_not_yet() -> None:
    """Before its time a schedule does nothing; a clock that went back makes no tick come again."""
    due = ms("2026-01-01T09:00")
    for missed in Missed:
        assert due_ticks("0 9 * * *", "UTC", due, due - 1, missed) == ((), due)
        assert due_ticks("0 9 * * *", "UTC", due, due - 5000, missed) == ((), due)


def test_in_time() -> None:
    """A tick that has come runs, whatever the policy, and the next one is a day later."""
    due = ms("2026-01-01T09:00")
    for missed in Missed:
        assert due_ticks("0 9 * * *", "UTC", due, due + 900, missed) == (
            (due,),
            ms("2026-01-02T09:00"),
        )


def test_missed_ticks() -> None:
    """After three missed days: skip runs none, run_once the last, run_all each in order."""
    due, now = ms("2026-01-01T09:00"), ms("2026-01-03T12:00")
    days = tuple(ms(f"2026-01-0{day}T09:00") for day in (1, 2, 3, 4))
    assert due_ticks("0 9 * * *", "UTC", due, now, Missed.SKIP) == ((), days[3])
    assert due_ticks("0 9 * * *", "UTC", due, now, Missed.RUN_ONCE) == (days[2:3], days[3])
    assert due_ticks("0 9 * * *", "UTC", due, now, Missed.RUN_ALL) == (days[:3], days[3])


def test_skip_still_runs_the_tick_of_now() -> None:
    """After an outage the tick that is at most a minute late runs, and those before do not."""
    due = ms("2026-01-01T09:00")
    now = due + 90_000
    found = due_ticks("* * * * *", "UTC", due, now, Missed.SKIP)
    assert found == ((due + MINUTE_MS,), due + 2 * MINUTE_MS)


def test_run_all_is_bounded() -> None:
    """After a year of minutes the last hundred run, and finding them takes no year."""
    due, now = ms("2025-01-01T00:00"), ms("2026-01-01T00:00")
    found = due_ticks("* * * * *", "UTC", due, now, Missed.RUN_ALL)
    assert len(found.run) == MAX_MISSED
    assert found.run[-1] == now
    assert found.run == tuple(range(found.run[0], now + 1, MINUTE_MS))
    assert found.next_ms == now + MINUTE_MS


def test_the_last_of_rare_ticks_is_found_however_long_ago() -> None:
    """A tick of every leap day is found two years after it."""
    due, now = ms("2024-02-29T00:00"), ms("2026-01-01T00:00")
    found = due_ticks("0 0 29 2 *", "UTC", due, now, Missed.RUN_ONCE)
    assert found == ((due,), ms("2028-02-29T00:00"))
