"""Moments as operators write them: so long ago, or a time with its zone."""

from datetime import datetime

from shoal.model.duration import parse_duration


def parse_moment(text: str, now_ms: int) -> int:
    """Read a moment, in Unix milliseconds.

    Args:
        text: A duration (``2h``: two hours before now), or ISO 8601 with a zone
            (``2030-01-31T12:00:00Z``).
        now_ms: Now, in Unix milliseconds.

    Raises:
        ValueError: It is neither.
    """
    try:
        return round(now_ms - parse_duration(text) * 1000)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError(
            f"{text!r:.80} is no time: write 2h (ago), or ISO 8601 with a zone, 2030-01-31T12:00:00Z"
        )
    return round(at.timestamp() * 1000)
