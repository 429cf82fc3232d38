"""When a schedule ticks: cron expressions in a time zone, and what becomes of ticks that were missed.

Five fields, as in Debian's cron: minute, hour, day of month, month, day of week. Where clocks go forward,
a tick at a fixed hour that does not exist comes as soon as clocks show a time that does (02:30 → 03:00);
where they go back, it comes once, at the first of the two times. A tick of every hour or minute (``*`` in
either field) follows real time: none in the hour left out, one in each of the hours that come twice.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MAX_EXPRESSION_CHARS: Final = 200
#: With ``run_all`` at most so many missed ticks run, the newest.
MAX_MISSED: Final = 100
#: With ``skip`` a tick that is later than this does not run.
LATE_MS: Final = 60_000

_NAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
#: How far back missed ticks are sought: no further than there are enough.
_WINDOWS_MS: Final = (3_600_000, 86_400_000, 40 * 86_400_000, 400 * 86_400_000)
_FIELDS: Final = "minute hour day-of-month month day-of-week, such as '0 9 * * 1-5'"


class Missed(StrEnum):
    """What becomes of ticks that came while no worker was alive."""

    #: They do not run, but for the last one if it is at most a minute late.
    SKIP = "skip"
    #: The last of them runs, once.
    RUN_ONCE = "run_once"
    #: All of them run, at most the last 100.
    RUN_ALL = "run_all"


class Ticks(NamedTuple):
    """What a schedule is to do now; times are Unix ms."""

    #: The ticks to run, oldest first.
    run: tuple[int, ...]
    #: The next one; ``None`` = never.
    next_ms: int | None


def check_cron(expression: str, tz: str = "UTC") -> str:
    """Return the expression in its plain form, with one space between its five fields.

    Raises:
        ValueError: It or the time zone is wrong, or it never comes.
    """
    if len(expression) > MAX_EXPRESSION_CHARS:
        raise ValueError(f"a cron expression has five fields: {_FIELDS}")
    plain = " ".join(_NAMES.get(expression.strip().lower(), expression).split())
    if plain.startswith("@"):
        raise ValueError(f"unknown cron name {plain!r:.40}: there are {', '.join(_NAMES)}")
    if len(plain.split(" ")) != 5:
        raise ValueError(f"cron {expression!r:.80} must have five fields: {_FIELDS}")
    _zone(tz)
    try:
        CronSim(plain, datetime(2024, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError, AssertionError) as error:
        raise ValueError(f"cron {expression!r:.80}: {error}; it is {_FIELDS}") from None
    if next_tick(plain, tz, 1_704_067_200_000) is None:
        raise ValueError(f"cron {expression!r:.80} never comes")
    return plain


def next_tick(expression: str, tz: str, after_ms: int) -> int | None:
    """The first tick after this time; ``None`` when there is none within 50 years."""
    return next(_ticks(expression, tz, after_ms), None)


def due_ticks(expression: str, tz: str, due_ms: int, now_ms: int, missed: Missed) -> Ticks:
    """What is to run of the ticks from ``due_ms`` (one of them) until now, and when the next one comes.

    Args:
        expression: Checked.
        tz: Checked.
        due_ms: The first tick that has not been dealt with; in the future = nothing runs.
        now_ms: By Redis' clock.
        missed: The schedule's policy.
    """
    if due_ms > now_ms:
        return Ticks((), due_ms)
    wanted = MAX_MISSED if missed is Missed.RUN_ALL else 1
    found: list[int] = []
    for window_ms in (*_WINDOWS_MS, now_ms):
        from_ms = max(due_ms - 1, now_ms - window_ms)
        found = []
        for tick_ms in _ticks(expression, tz, from_ms):
            if tick_ms > now_ms:
                break
            found.append(tick_ms)
        if len(found) >= wanted or from_ms < due_ms:
            break
    run = found[-wanted:]
    if missed is Missed.SKIP:
        run = [tick_ms for tick_ms in run if now_ms - tick_ms <= LATE_MS]
    return Ticks(tuple(run), next_tick(expression, tz, now_ms))


def _ticks(expression: str, tz: str, after_ms: int) -> Iterator[int]:
    """Ticks after this time, rising; the library may go back a little where clocks do."""
    last_ms = after_ms
    start = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=after_ms)
    for at in CronSim(expression, start.astimezone(_zone(tz))):
        tick_ms = round(at.timestamp() * 1000)
        if tick_ms > last_ms:
            last_ms = tick_ms
            yield tick_ms


@lru_cache(maxsize=256)
def _zone(tz: str) -> ZoneInfo:
    try:
        return ZoneInfo(tz)
    except (ValueError, KeyError, OSError):
        raise ValueError(
            f"unknown time zone {tz!r:.80}: write a name such as Europe/Berlin or UTC"
        ) from None
