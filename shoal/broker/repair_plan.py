"""From findings to the calls that mend them; every script judges anew what it is told."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain

from shoal.broker.calls import Argument
from shoal.broker.verify_report import Code, Finding
from shoal.broker.verify_walk import SLICE, rows_of

#: A script and its arguments.
Step = tuple[str, tuple[Argument, ...]]

_ENTRIES = frozenset(
    {
        Code.ENTRY_WITHOUT_TASK,
        Code.ENTRY_OF_IDLE_TASK,
        Code.SECOND_ENTRY,
        Code.BAD_ENTRY,
        Code.PENDING_WITHOUT_ENTRY,
    }
)
_TASKS = frozenset(
    {
        Code.TASK_WITHOUT_ENTRY,
        Code.NOT_ISOLATED,
        Code.INDEX_MISSING,
        Code.BAD_NOTES,
        Code.UNIQUE_NOT_HELD,
        Code.WAITING_WRONG,
    }
)
_KEYS = frozenset({Code.UNIQUE_ORPHAN, Code.UNBOUNDED_KEY})
_JOURNAL = frozenset({Code.JOURNAL_REPEATED, Code.JOURNAL_DIFFERS, Code.BAD_JOURNAL})
#: Ids that one call puts into the journal.
_IDS_AN_ENTRY = 100


def steps(findings: Sequence[Finding], prefix: str) -> Iterator[Step]:
    """The calls for the findings of one partition, in the order in which they help each other.

    Args:
        findings: Of one partition.
        prefix: Of its keys.
    """
    by_code: defaultdict[Code, list[tuple[str, Finding]]] = defaultdict(list)
    for finding in findings:
        by_code[finding.code].append((finding.key.removeprefix(prefix), finding))

    def of(codes: frozenset[Code] | set[Code]) -> list[tuple[str, Finding]]:
        return list(chain.from_iterable(by_code[code] for code in sorted(codes)))

    # Queues and groups first: without them nothing else can be read.
    queues = {name.split(":")[1] for name, _ in by_code[Code.QUEUE_UNLISTED]}
    if by_code[Code.NO_GROUP] or queues:
        yield "mend_ready", tuple(sorted(queues))
    yield from _by_place("mend_entries", [(n, (f.entry,)) for n, f in of(set(_ENTRIES))], "stream:")
    wrong = [(name, finding.ids) for name, finding in by_code[Code.INDEX_WRONG]]
    yield from _by_place("mend_indexes", wrong)
    tasks = list(dict.fromkeys(chain.from_iterable(f.ids for _, f in of(set(_TASKS)))))
    for part in rows_of(tasks, SLICE):
        yield "mend_tasks", tuple(part)
    for part in rows_of(list(dict.fromkeys(name for name, _ in of(set(_KEYS)))), SLICE):
        yield "mend_keys", tuple(part)
    yield from _journal(of(set(_JOURNAL)), by_code[Code.JOURNAL_MISSING])
    yield from _waiting(by_code)
    workers = [(name, finding.ids[0]) for name, finding in by_code[Code.WITHOUT_BEAT]]
    for pairs in rows_of(list(dict.fromkeys(workers)), SLICE):
        yield "mend_workers", tuple(chain.from_iterable(pairs))
    # Always: the scripts above count only what they add.
    yield "mend_ready", ()


def _by_place(
    verb: str, found: list[tuple[str, tuple[str, ...]]], prefix: str = ""
) -> Iterator[Step]:
    """One call a place and slice: the place, less a prefix, then what of it is to be looked at."""
    places: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for name, members in found:
        places[name.removeprefix(prefix)].update(dict.fromkeys(members))
    for place, wanted in places.items():
        for part in rows_of(list(wanted), SLICE):
            yield verb, (place, *part)


def _journal(
    wrong: list[tuple[str, Finding]], missing: list[tuple[str, Finding]]
) -> Iterator[Step]:
    out: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, finding in wrong:
        is_of_type = finding.code is Code.JOURNAL_DIFFERS
        type_of = name.removeprefix("done:") if is_of_type else ""
        ids = finding.ids if finding.code is Code.JOURNAL_REPEATED else ()
        out[finding.entry, type_of].extend(ids)
    for (entry, type_of), left_out in out.items():
        yield "mend_journal", (entry, type_of, len(left_out), *left_out)
    for part in rows_of([finding.ids[0] for _, finding in missing], _IDS_AN_ENTRY):
        yield "mend_journal", ("", "", 0, *part)


def _waiting(by_code: dict[Code, list[tuple[str, Finding]]]) -> Iterator[Step]:
    pairs: dict[tuple[str, str], None] = {}
    for name, finding in by_code[Code.WAITING_LOST] + by_code[Code.WAITING_WRONG]:
        pairs["child", name.removeprefix("waiting:") or finding.ids[0]] = None
    for _, finding in by_code[Code.NOTICE_MISSING]:
        pairs["parent", finding.ids[0]] = None
    for name, finding in by_code[Code.BAD_DEPENDENT]:
        pairs["dependent", f"{name.removeprefix('dependents:')} {finding.ids[0]}"] = None
    if by_code[Code.BAD_NOTICE]:
        pairs["outbox", ""] = None
    for part in rows_of(list(pairs), SLICE):
        yield "mend_waiting", tuple(chain.from_iterable(part))
