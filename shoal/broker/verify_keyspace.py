"""Every key that may exist, as docs/keyspace.md has it: its form, its Redis type, whether it expires."""

import re
from typing import NamedTuple


class KnownKey(NamedTuple):
    """One form of key.

    Attributes:
        form: What follows the hash tag, ``<...>`` for what varies.
        type: As Redis' TYPE says.
        expires: Whether it must have an expiry.
    """

    form: str
    type: str
    expires: bool = False


#: Inside the hash tag of a partition.
PARTITION_KEYS = (
    KnownKey("partition", "string"),
    KnownKey("partition_paused", "string"),
    KnownKey("stream:<queue>:<priority>", "stream"),
    KnownKey("stream:<queue>:<priority>:isolated", "stream"),
    KnownKey("task:<id>", "hash"),
    KnownKey("done", "stream"),
    KnownKey("done:<type>", "stream"),
    KnownKey("index:<state>", "zset"),
    KnownKey("index:<state>:<type>", "zset"),
    KnownKey("fingerprint:<fingerprint>", "zset"),
    KnownKey("scheduled", "zset"),
    KnownKey("ready", "hash"),
    KnownKey("counts", "hash"),
    KnownKey("stats", "hash"),
    KnownKey("events", "stream"),
    KnownKey("sleepers:*", "zset"),
    KnownKey("sleepers:*:isolated", "zset"),
    KnownKey("sleepers:<queue>", "zset"),
    KnownKey("beats", "zset"),
    KnownKey("contact", "string"),
    KnownKey("grace_until", "string"),
    KnownKey("claimed:<incarnation>", "string", expires=True),
    KnownKey("paused", "set"),
    KnownKey("isolated_types", "hash"),
    KnownKey("charges", "zset", expires=True),
    KnownKey("queues", "set"),
    KnownKey("unique:<digest>", "string"),
    KnownKey("waiting:<id>", "set"),
    KnownKey("dependents:<id>", "zset"),
    KnownKey("outbox", "zset"),
    KnownKey("ended:<id>", "string", expires=True),
    KnownKey("expiring", "zset"),
    KnownKey("idempotency:<digest>", "string", expires=True),
    KnownKey("operation:<operation>:<part>", "string", expires=True),
)

#: Under the namespace's own tag.
GLOBAL_KEYS = (
    KnownKey("meta", "hash"),
    KnownKey("settings", "hash"),
    KnownKey("workers", "zset"),
    KnownKey("worker:<name>", "hash", expires=True),
    KnownKey("events", "stream"),
    KnownKey("types", "set"),
    KnownKey("queues", "set"),
    KnownKey("schedules", "zset"),
    KnownKey("schedule_ids", "set"),
    KnownKey("schedule:<schedule>", "hash"),
    KnownKey("api_keys", "hash"),
    KnownKey("api_keys_used", "hash"),
    KnownKey("api_keys_epoch", "string"),
    KnownKey("session:<digest>", "string", expires=True),
    KnownKey("ticket:<digest>", "string", expires=True),
    KnownKey("rate:<digest>", "hash", expires=True),
    KnownKey("audit", "stream"),
    KnownKey("operations", "zset"),
    KnownKey("operation:<operation>", "hash", expires=True),
    KnownKey("times", "hash"),
    KnownKey("series", "hash"),
    KnownKey("series:<resolution>", "stream"),
)

_VARIABLES = {
    "id": r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "queue": r"[A-Za-z][A-Za-z0-9_.-]{0,63}",
    "priority": r"[0-3]",
    "type": r"[A-Za-z][A-Za-z0-9_.:-]{0,127}",
    "state": r"(?:SCHEDULED|FAILED|CANCELLED|DEAD)",
    "fingerprint": r"\S+",
    "incarnation": r"\S+",
    "name": r"\S+",
    "digest": r"[0-9a-f]{64}",
    "operation": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
    "schedule": r"[A-Za-z][A-Za-z0-9_.:-]{0,127}",
    "resolution": r"(?:1s|10s|1m)",
    "part": r"(?:ids|PENDING|SCHEDULED|RUNNING|FAILED|COMPLETED|CANCELLED|DEAD)",
}


def pattern_of(form: str) -> re.Pattern[str]:
    """What matches a form of key, with a group for each variable.

    Raises:
        KeyError: The form has a variable that no key has.
    """
    parts = re.split(r"<(\w+)>", form)
    text = "".join(
        f"(?P<{part}>{_VARIABLES[part]})" if at % 2 else re.escape(part)
        for at, part in enumerate(parts)
    )
    return re.compile(text)


# Most keys are tasks: their form is tried first.
_PARTITION = [
    (known, pattern_of(known.form))
    for known in sorted(PARTITION_KEYS, key=lambda known: known.form != "task:<id>")
]
_GLOBAL = [(known, pattern_of(known.form)) for known in GLOBAL_KEYS]


def known_key(rest: str, *, is_global: bool = False) -> KnownKey | None:
    """The form of a key by what follows its tag and colon; ``None``: nobody knows it."""
    for known, pattern in _GLOBAL if is_global else _PARTITION:
        if pattern.fullmatch(rest):
            return known
    return None
