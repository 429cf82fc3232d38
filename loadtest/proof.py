"""After the figures, the proof: what was measured must also be right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from loadtest.figures import Figure
from shoal.broker.broker import Broker
from shoal.broker.verify import verify

FINDINGS: Final = "verify_findings"
SHOWN: Final = 3


async def prove(broker: Broker, say: Callable[[str], None]) -> dict[str, Figure]:
    """Check the whole namespace as ``shoal verify`` does; call when the workers have gone.

    Args:
        broker: Of the namespace.
        say: Gets the first findings, if there are any.

    Returns:
        How many tasks were still there, and how many findings; there should be none.
    """
    report = await verify(broker)
    found = len(report.findings) + len(report.skipped)
    if found:
        kinds = Counter(finding.code.value for finding in report.findings)
        say(f"  verify: {report.lines()[-1]} {dict(kinds)}")
        for line in report.lines()[: min(SHOWN, found)]:
            say(f"  verify: {line}")
    return {"verified_tasks": report.tasks, FINDINGS: found}
