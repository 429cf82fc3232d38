"""`shoal verify`: fsck for the queue. Walks all keys of a namespace and says what can't be right.

Reads only, in bounded slices. Exact at rest; on a system that works, a finding counts only when two
walks over its partition agree, and `counts` are judged only for a partition that stood still during one.
"""

import re
import time

from shoal.broker.broker import Broker
from shoal.broker.verify_access import check_access
from shoal.broker.verify_counters import Totals, check_counts, check_ready, read_totals
from shoal.broker.verify_dependencies import check_dependencies
from shoal.broker.verify_indexes import check_indexes, check_unique_keys
from shoal.broker.verify_journal import check_journal
from shoal.broker.verify_keyspace import known_key
from shoal.broker.verify_operations import check_operations
from shoal.broker.verify_report import Code, Finding, Report
from shoal.broker.verify_schedules import check_schedules
from shoal.broker.verify_series import check_series
from shoal.broker.verify_streams import check_streams
from shoal.broker.verify_tasks import check_tasks
from shoal.broker.verify_tracked import check_tracked
from shoal.broker.verify_walk import SLICE, Walk, ask, rows_of, scan
from shoal.broker.verify_workers import check_workers
from shoal.errors import BrokerError, PartitionPaused

#: A partition that moved during a walk of at most this many seconds is walked again.
RETRY_WALKS_BELOW_S = 2.0
MAX_WALKS = 3

CHECKS = (
    check_streams,
    check_indexes,
    check_journal,
    check_unique_keys,
    check_workers,
    check_operations,
    check_dependencies,
)


async def verify(broker: Broker) -> Report:
    """Check everything that a namespace holds.

    Takes one SCAN over all keys of a server for each of its partitions; memory grows with the
    largest partition (about 200 bytes a task), not with the namespace.

    Raises:
        BrokerUnavailable: Redis went away; nothing can be said.
    """
    report = Report(broker.partitions)
    for partition in range(broker.partitions):
        try:
            await _verify_partition(broker, partition, report)
        except (PartitionPaused, BrokerError) as error:
            report.skipped[partition] = str(error)
    report.findings += await _check_namespace(broker)
    report.findings += await check_schedules(broker)
    report.findings += await check_access(broker)
    report.findings += await check_tracked(broker)
    report.findings += await check_series(broker)
    return report


async def _verify_partition(broker: Broker, partition: int, report: Report) -> None:
    begun = time.monotonic()
    walk, is_still, _ = await walk_partition(broker, partition)
    walks = 1
    while not is_still and walks < MAX_WALKS and time.monotonic() - begun < RETRY_WALKS_BELOW_S:
        walk, is_still, _ = await walk_partition(broker, partition)
        walks += 1
    findings = walk.findings
    if findings:
        again, still_again, _ = await walk_partition(broker, partition)
        is_still = is_still and still_again
        confirmed = {(finding.code, finding.key, finding.ids) for finding in again.findings}
        findings = [
            finding for finding in findings if (finding.code, finding.key, finding.ids) in confirmed
        ]
    report.findings += findings
    report.tasks += len(walk.seen)
    if not is_still:
        report.busy.append(partition)


async def walk_partition(broker: Broker, partition: int) -> tuple[Walk, bool, Totals]:
    """One walk, whether nothing moved meanwhile, and the counters at its end."""
    walk = Walk(broker, partition)
    before = await read_totals(walk)
    async for names in walk.names_of_keys():
        await _sort(walk, names)
    for check in CHECKS:
        try:
            await check(walk)
        except BrokerError as error:
            walk.find(Code.UNREADABLE, "", f"{check.__name__}: {error}")
    after = await read_totals(walk)
    check_ready(walk, after)
    is_still = before == after
    if is_still:
        check_counts(walk, after)
    return walk, is_still, after


async def _sort(walk: Walk, names: list[str]) -> None:
    """Check the tasks among these keys, keep the names of the others, report those nobody knows."""
    ids, others = [], []
    for name in names:
        known = known_key(name)
        if known is None:
            walk.find(Code.UNKNOWN_KEY, name, "docs/keyspace.md does not know this key")
        elif known.form == "task:<id>":
            ids.append(name.removeprefix("task:"))
        else:
            others.append((name, known))
    for part in rows_of(others, SLICE):
        part_names = [name for name, _ in part]
        kinds = await walk.command_each("TYPE", part_names)
        ttls = await walk.command_each("TTL", part_names)
        for (name, known), kind, ttl in zip(part, kinds, ttls, strict=True):
            if kind.decode() not in (known.type, "none"):
                walk.find(
                    Code.WRONG_TYPE, name, f"it is a {kind.decode()} and must be a {known.type}"
                )
                continue
            if known.expires and ttl == -1:
                walk.find(Code.UNBOUNDED_KEY, name, "it must expire, and has no expiry")
            walk.names[known.form].append(name)
    await check_tasks(walk, ids)


async def _check_namespace(broker: Broker) -> list[Finding]:
    """The namespace's own keys, and keys under tags that no partition in use has."""
    namespace = broker.settings.namespace
    tags = {keys.prefix for keys in broker.keys}
    tag_of = re.compile(re.escape(f"{{{namespace}:") + r"[^}]*}:")
    own = f"{{{namespace}}}:"
    findings: dict[str, Finding] = {}
    for node in broker.topology.nodes():
        async for keys in scan(node, f"{{{namespace}[:}}]*"):
            for key in keys:
                if key.startswith(own):
                    known = known_key(key.removeprefix(own), is_global=True)
                    if known is None:
                        findings[key] = Finding(
                            Code.UNKNOWN_KEY, None, key, "docs/keyspace.md does not know this key"
                        )
                    elif (kind := (await ask(node, "TYPE", key)).decode()) not in (
                        known.type,
                        "none",
                    ):
                        findings[key] = Finding(
                            Code.WRONG_TYPE,
                            None,
                            key,
                            f"it is a {kind} and must be a {known.type}",
                        )
                    elif known.expires and await ask(node, "TTL", key) == -1:
                        findings[key] = Finding(
                            Code.UNBOUNDED_KEY, None, key, "it must expire, and has no expiry"
                        )
                    continue
                match = tag_of.match(key)
                tag = match[0] if match else key
                if tag not in tags:
                    findings[tag] = Finding(
                        Code.UNSERVED_PARTITION, None, key, f"no partition in use has the tag {tag}"
                    )
    return list(findings.values())
