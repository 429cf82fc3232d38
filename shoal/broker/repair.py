"""`shoal verify --repair`: mends what has one right answer, and names what has none.

Works at rest and beside live workers, in bounded slices. Every script judges anew what it is told, so a
repair may be repeated, and a finding that was only a moment's does no harm.
"""

from dataclasses import dataclass, field
from typing import Any

from shoal.broker.broker import Broker
from shoal.broker.calls import Argument, Call
from shoal.broker.repair_advice import MENDED, advice, is_mended
from shoal.broker.repair_plan import steps
from shoal.broker.scripts import script
from shoal.broker.verify import verify, walk_partition
from shoal.broker.verify_counters import recount
from shoal.broker.verify_report import Code, Finding, Report

#: One mend may bring another fault to light: an entry that leaves, a counter.
MOST_ROUNDS = 4


@dataclass(slots=True)
class Repair:
    """What was found, what was done, and how it stands now."""

    #: Whether nothing was to be written.
    is_dry: bool
    before: Report
    #: ``before`` itself when nothing was done.
    after: Report
    #: What was mended, or would be.
    mended: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is left."""
        return self.after.ok

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ok": self.ok,
            "dry_run": self.is_dry,
            "mended": [
                finding.as_dict() | {"done": MENDED[finding.code]} for finding in self.mended
            ],
            "left": [finding.as_dict() | {"advice": advice(finding.code)} for finding in self.left],
            "after": self.after.as_dict(),
        }

    @property
    def left(self) -> list[Finding]:
        """What stands after it; of a dry run, what would."""
        if self.is_dry:
            return [finding for finding in self.before.findings if not is_mended(finding.code)]
        return self.after.findings

    def lines(self) -> list[str]:
        """For people: what was done, then what is left and what to do about it, the summary last."""
        word = "would mend" if self.is_dry else "mended"
        out = [f"{word} {finding}: {MENDED[finding.code]}" for finding in self.mended]
        out += [f"left {finding}: {advice(finding.code)}" for finding in self.left]
        summary = self.after.lines()[len(self.after.findings) :]
        return [*out, *summary[:-1], f"{word} {len(self.mended)}, left {len(self.left)}"]


async def repair(broker: Broker, *, dry_run: bool = False) -> Repair:
    """Find and mend.

    Args:
        broker: Connected.
        dry_run: Only say what would be done.

    Raises:
        BrokerUnavailable: Redis went away; repeat it.
    """
    before = await verify(broker)
    done = Repair(dry_run, before, before)
    for _ in range(MOST_ROUNDS):
        todo = [finding for finding in done.after.findings if is_mended(finding.code)]
        known = {(finding.code, finding.key, finding.ids) for finding in done.mended}
        done.mended += [f for f in todo if (f.code, f.key, f.ids) not in known]
        if dry_run or not todo:
            break
        for partition in sorted({f.partition for f in todo if f.partition is not None}):
            await _mend(broker, partition, [f for f in todo if f.partition == partition])
        done.after = await verify(broker)
    if not dry_run:
        left = {(finding.code, finding.key, finding.ids) for finding in done.after.findings}
        done.mended = [f for f in done.mended if (f.code, f.key, f.ids) not in left]
    return done


async def _mend(broker: Broker, partition: int, findings: list[Finding]) -> None:
    for verb, arguments in steps(findings, broker.keys[partition].prefix):
        await _run(broker, partition, verb, arguments)
    # What was mended has changed what there is to count, so all of it is counted.
    walk, is_still, totals = await walk_partition(broker, partition)
    wrong = {finding.ids[0] for finding in walk.findings if finding.code is Code.COUNTS_DIFFER}
    if is_still and wrong:
        right = recount(walk)
        fields = [
            part
            for name in sorted(wrong)
            for part in (name, totals.counts.get(name, ""), right.get(name, 0))
        ]
        await _run(broker, partition, "mend_counts", (totals.last_event, *fields))


async def _run(broker: Broker, partition: int, verb: str, arguments: tuple[Argument, ...]) -> None:
    await broker.run(Call(script(verb), partition, arguments, int))
