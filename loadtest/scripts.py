"""Which of the broker's scripts ran, how often and how long, in a short window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import redis

from loadtest.figures import Figure
from shoal.broker.scripts import script

LONGEST_LOG: Final = 400_000


@dataclass
class ScriptUse:
    """One verb in a window: its calls, and the microseconds of the server's time in all of them."""

    calls: int = 0
    micros: int = 0


def as_figures(uses: Mapping[str, ScriptUse], tasks: int) -> dict[str, Figure]:
    """What the calls of a window came to, ``<verb>_calls_per_task``, the most frequent first."""
    most = sorted(uses.items(), key=lambda item: -item[1].calls)
    found: dict[str, Figure] = {}
    for verb, use in most:
        found[f"{verb}_calls_per_task"] = round(use.calls / max(tasks, 1), 3)
        found[f"{verb}_us_per_call"] = round(use.micros / use.calls, 1)
    return found


class ScriptWindow:
    """Counts script calls by the server's slow log, opened for everything.

    The log takes the commands inside scripts too, so a window of a second or two slows the server
    down by some percent: use it beside a measurement, not in it. It needs CONFIG.

    Args:
        url: The server, as ``REDIS_URL``; one node.
    """

    def __init__(self, url: str) -> None:
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=60, protocol=2)
        self._was: Mapping[str, str] = {}

    def open(self) -> None:
        """Begin to count."""
        self._was = self._redis.config_get("slowlog-*")
        self._redis.config_set("slowlog-max-len", LONGEST_LOG)
        self._redis.slowlog_reset()
        self._redis.config_set("slowlog-log-slower-than", 0)

    def close(self) -> dict[str, ScriptUse]:
        """Stop counting and put the server's settings back.

        Returns:
            What ran while it was open, by verb.
        """
        self._redis.config_set("slowlog-log-slower-than", self._was["slowlog-log-slower-than"])
        names = {script(verb).sha: verb for verb in verbs()}
        found: dict[str, ScriptUse] = {}
        for entry in self._redis.slowlog_get(LONGEST_LOG):
            words = entry["command"].split(b" ", 2)
            if words[0].upper() == b"EVALSHA":
                use = found.setdefault(names.get(words[1], "other"), ScriptUse())
                use.calls += 1
                use.micros += entry["duration"]
        self._redis.slowlog_reset()
        self._redis.config_set("slowlog-max-len", self._was["slowlog-max-len"])
        self._redis.close()
        return found


def verbs() -> list[str]:
    """The names of the broker's scripts: every Lua file that is no helper."""
    names = (file.name for file in resources.files("shoal.broker").joinpath("lua").iterdir())
    return sorted(
        name.removesuffix(".lua")
        for name in names
        if name.endswith(".lua") and not name.startswith("lib_")
    )
