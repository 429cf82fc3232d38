"""Workers of two builds of Shoal beside each other."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from shoal import Shoal
from shoal.broker.registry import Registry
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.proof import prove
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.processes import ROOT
from tests.support.servers import RedisServer


def _other_build(folder: Path) -> Path:
    """A copy of Shoal that calls itself another version, and none of whose scripts has the same digest."""
    for name in ("shoal", "shard", "supervisor", "api"):
        shutil.copytree(
            ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    init = folder / "shoal" / "__init__.py"
    text, count = re.subn(r'__version__ = "[^"]+"', '__version__ = "99.0.0"', init.read_text())
    assert count == 1
    init.write_text(text)
    scripts = list((folder / "shoal" / "broker" / "lua").glob("*.lua"))
    assert scripts
    for script in scripts:
        script.write_text(script.read_text() + "\n-- of another build\n")
    return folder


async def test_two_builds_at_once(redis7: RedisServer, tmp_path: Path) -> None:
    """A rolling deployment of Shoal itself: both work, each takes part, and either takes over from the other."""
    ledger = Ledger(tmp_path / "ledger")
    other = _other_build(tmp_path / "other")
    env = {"PYTHONPATH": os.pathsep.join([str(other), str(ROOT)])}
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        with (
            Host(redis7.url, ledger, "this", concurrency=5) as this,
            Host(redis7.url, ledger, "other", concurrency=5, env=env, cwd=other) as newer,
        ):
            await this.ready()
            await newer.ready()
            records = await Registry(await client.broker()).live()
            assert {record.id.partition("-")[0]: record.version for record in records}[
                "other"
            ] == "99.0.0"
            handles = await client.submit_many("work", [0.05] * 200)
            pids = {await handle.result(30) for handle in handles}
            assert pids & set(this.incarnations())
            assert pids & set(newer.incarnations())
            tasks = [handle.id for handle in handles]
            # What one build was running the other one runs.
            tasks += [handle.id for handle in await client.submit_many("work", [0.5] * 20)]
            for pid in newer.incarnations():
                newer.kill_shard(pid)
            await prove(client, list(map(Submitted, tasks)), ledger, max_duplicate_runs=20)
