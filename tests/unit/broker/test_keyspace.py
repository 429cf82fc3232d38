"""docs/keyspace.md, the code's names and `verify` know the same keys, channels, counters and events."""

import re

from shoal.broker.keys import (
    PartitionKeys,
    api_keys,
    audit,
    grant,
    meta,
    operations,
    rate,
    schedules,
    settings,
    types,
    unique_digest,
    worker,
    workers,
)
from shoal.broker.verify_keyspace import GLOBAL_KEYS, PARTITION_KEYS, known_key, pattern_of
from tests.support.keyspace import documented_fields, documented_keys
from tests.unit.broker.test_lua_sources import SOURCES, _code

TASK_ID = "01890a5d-ac96-7000-8000-000000000001"
ARGUMENTS = {
    "stream": ("default:1:isolated",),
    "task": (TASK_ID,),
    "done": ("mail",),
    "index": ("DEAD", "mail"),
    "sleepers": ("default",),
    "claimed": ("w-0.aaaaaa",),
    "unique": (unique_digest("k"),),
    "waiting": (TASK_ID,),
    "dependents": (TASK_ID,),
    "ended": (TASK_ID,),
    "idempotency": (unique_digest("k"),),
    "operation": ("op-1", "DEAD"),
}
CHANNELS = {"signal_channel": ("w-0.aaaaaa",), "urgent_channel": (), "news_channel": ()}
ALL_CODE = "\n".join(_code(source) for source in SOURCES.values())


def test_the_page_and_verify_have_the_same_keys() -> None:
    """The page's tables are the forms and types that `verify` checks by, in the same order."""
    for title, known in (
        ("Keys of a partition", PARTITION_KEYS),
        ("Keys of the namespace", GLOBAL_KEYS),
    ):
        assert list(documented_keys(title).items()) == [(key.form, key.type) for key in known]


def test_every_name_in_python_is_documented() -> None:
    """Each key that `keys.py` can name has a form on the page, and each channel too."""
    keys = PartitionKeys("ns", 3)
    for name in vars(PartitionKeys):
        if name.startswith("_") or name in PartitionKeys.__slots__:
            continue
        made = getattr(keys, name)
        made = made if isinstance(made, str) else made(*ARGUMENTS.get(name, CHANNELS.get(name, ())))
        rest = made.removeprefix(keys.prefix)
        if name in CHANNELS:
            forms = [pattern_of(form) for form in documented_fields("Channels")]
            assert any(form.fullmatch(rest) for form in forms), name
        else:
            assert known_key(rest) is not None, name
    for made in (
        meta("ns"),
        settings("ns"),
        schedules("ns"),
        types("ns"),
        workers("ns"),
        worker("ns", "web-0"),
        api_keys("ns"),
        audit("ns"),
        rate("ns", unique_digest("k")),
        operations("ns"),
        grant("ns", "session", unique_digest("k")),
        grant("ns", "ticket", unique_digest("k")),
    ):
        assert known_key(made.removeprefix("{ns}:"), is_global=True) is not None, made


def test_every_name_in_lua_is_documented() -> None:
    """Each literal that a script puts behind its prefix begins a documented key or channel."""
    forms = [
        *(key.form for key in (*PARTITION_KEYS, *GLOBAL_KEYS)),
        *documented_fields("Channels"),
    ]
    named = set(re.findall(r"\bP \.\. '([^']+)'", ALL_CODE))
    assert len(named) > 20
    # A literal may be a whole form, or what stands before its first variable.
    known = {form.partition("<")[0] for form in forms} | set(forms)
    known |= {"sleepers:", "index:", "index:SCHEDULED"}
    assert named - known == set()


def test_every_counter_is_documented() -> None:
    """Each field of `stats` that a script raises is on the page."""
    fields = {name.partition("<")[0] for name in documented_fields("Fields of stats")}
    raised = set(re.findall(r"bump\(stats, '([a-z]+[:/]?)'", ALL_CODE))
    assert len(raised) > 5
    assert raised - fields == set()


def test_every_event_is_documented() -> None:
    """Each kind of entry of `events` is on the page."""
    written = set(re.findall(r"(?:'k', |finish_operation\()'([a-z]+)'", ALL_CODE))
    assert written == documented_fields("Events")


def test_forms_tell_keys_apart() -> None:
    """A key that no table has is unknown, also when it resembles one."""
    for rest in (
        "task:x",
        "tasks",
        "stream:default:4",
        "stream:default:1:other",
        "done:",
        "ready2",
    ):
        assert known_key(rest) is None, rest
    assert known_key("stream:a.b-c:3") is not None
    assert known_key("done:mail.send:v2") is not None
