"""Every point of the series can be read, none is ahead of the clock, and nothing is kept for ever."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shoal.broker import keys
from shoal.broker.series import POINTS, point_of
from shoal.broker.verify_report import Code, Finding
from shoal.broker.verify_walk import ask, text
from shoal.model.histogram import BUCKETS
from shoal.model.partition import slot_of
from shoal.model.series import RESOLUTIONS, Resolution

if TYPE_CHECKING:
    from shoal.broker.broker import Broker
    from shoal.broker.node import Node

_FIELD = re.compile(r"[wr](\d{1,3})")
#: A clock may be set back by so much without a word, in ms.
_AHEAD_MS = 60_000


async def check_series(broker: Broker) -> list[Finding]:
    """Look at all points and at the histograms that they are told from."""
    key = keys.series(broker.settings.namespace)
    node = broker.topology.node_of(slot_of(key))
    findings = []
    for resolution in RESOLUTIONS:
        findings += await _points(node, f"{key}:{resolution.name}", resolution)
    times = f"{key.removesuffix('series')}times"
    if text(await ask(node, "TYPE", times)) == "hash":
        flat = await ask(node, "HGETALL", times)
        for name, value in zip(flat[0::2], flat[1::2], strict=True):
            match = _FIELD.fullmatch(text(name))
            if match is None or int(match[1]) >= BUCKETS or not text(value).isdigit():
                said = f"{text(name)!r:.40} = {text(value)!r:.40} is no bucket of a histogram"
                findings.append(Finding(Code.BAD_SERIES, None, times, said))
    return findings


async def _points(node: Node, key: str, resolution: Resolution) -> list[Finding]:
    if text(await ask(node, "TYPE", key)) != "stream":
        return []  # none, or of another type, which is found elsewhere
    findings = []
    seconds, micros = await ask(node, "TIME")
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    number, after = 0, "-"
    while entries := await ask(node, "XRANGE", key, after, "+", "COUNT", POINTS):
        number += len(entries)
        for entry, fields in entries:
            values = dict(zip(fields[0::2], fields[1::2], strict=True))
            if wrong := _wrong(entry, values, resolution, now_ms):
                findings.append(Finding(Code.BAD_SERIES, None, key, wrong, (), text(entry)))
        after = "(" + text(entries[-1][0])
    most = resolution.kept_s // resolution.step_s + 1
    if number > most:
        said = f"it has {number} points, and at most {most} are kept"
        findings.append(Finding(Code.BAD_SERIES, None, key, said))
    return findings


def _wrong(entry: bytes, values: dict[bytes, bytes], resolution: Resolution, now_ms: int) -> str:
    """What is wrong with one point, or nothing."""
    try:
        point = point_of(entry, values)
    except ValueError as error:
        return f"the point {text(entry)} can't be read: {error}"
    if point.at_s % resolution.step_s:
        return f"the point {text(entry)} stands between two steps"
    if point.at_s * 1000 > now_ms + _AHEAD_MS:
        return f"the point {text(entry)} is ahead of the clock: until then none is noted"
    return ""
