"""The records of operations over many tasks can be gone on with."""

import re

from shoal.broker.verify_report import Code
from shoal.broker.verify_walk import SLICE, Walk, rows_of, text

_RECORD = re.compile(
    r"[0-9a-f]{32} (?P<step>[1-9]\d*) (?P<finished>[01]) \d{1,15} /(?P<cursor>\S*)(?: [a-z_]+=\d+)*"
)


async def check_operations(walk: Walk) -> None:
    """Each record has its form, and a cursor exactly when something is left."""
    names = sorted(set(walk.names["operation:<operation>:<part>"]))
    for part in rows_of(names, SLICE):
        for name, raw in zip(part, await walk.command_each("GET", part), strict=True):
            if raw is None:  # it has passed its time since
                continue
            match = _RECORD.fullmatch(text(raw))
            if match is None or (match["finished"] == "1") != (match["cursor"] == ""):
                walk.find(Code.BAD_OPERATION, name, f"{text(raw)!r:.200} can't be gone on with")
