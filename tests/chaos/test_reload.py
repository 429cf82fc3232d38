"""Hosts that get new code and new settings under load: nothing is lost, and no more than one shard is away."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from shoal import Shoal
from shoal.errors import ExitStatus
from tests.chaos.host import PARTITIONS, Host
from tests.chaos.proof import prove
from tests.support.builders import settings_for
from tests.support.checker import Submitted
from tests.support.ledger import Ledger
from tests.support.processes import shoal
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until_async

PROGRAM = """
import asyncio
from shoal import Shoal
from tests.support.ledger import Ledger

app = Shoal()
ledger = Ledger.from_environment()

@app.task("version", max_retries=0)
async def version(ctx, payload):
    ledger.record("start", ctx.id, attempt=ctx.attempt)
    await asyncio.sleep(0.02)
    ledger.record("finish", ctx.id, attempt=ctx.attempt)
    return {version!r}
"""
_TURN = re.compile(r"shard \d+ (is ready|ended|died)")


def write(folder: Path, version: str) -> None:
    """The application, in this version."""
    (folder / "program.py").write_text(PROGRAM.replace("{version!r}", repr(version)))


@contextlib.asynccontextmanager
async def load(client: Shoal, submitted: list[str]) -> AsyncIterator[None]:
    """Submit all the while; at the end every answer is known."""
    is_over = asyncio.Event()

    async def submit() -> None:
        while not is_over.is_set():
            handles = await client.submit_many("version", [None] * 10)
            submitted.extend(handle.id for handle in handles)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(submit())
    try:
        yield
    finally:
        is_over.set()
        await task


async def reload(host: Host, cwd: Path) -> tuple[int, str]:
    """``shoal reload --wait``: its status and what it said."""
    with shoal("reload", "--wait", env=host.env, cwd=cwd) as child:
        status = await asyncio.to_thread(child.wait, 60)
        return status, child.stdout + child.stderr


async def test_new_code_is_seen_and_nothing_is_lost(redis7: RedisServer, tmp_path: Path) -> None:
    """Three shards under load are replaced one by one; what is submitted afterwards runs the new code."""
    ledger = Ledger(tmp_path / "ledger")
    write(tmp_path, "one")
    submitted: list[str] = []
    async with Shoal(settings_for(redis7.url, partitions=PARTITIONS)) as client:
        with Host(redis7.url, ledger, shards=3, app="program:app", cwd=tmp_path) as host:
            await host.ready()
            async with load(client, submitted):
                assert await (await client.submit("version", None)).result(10) == "one"
                old = set(host.incarnations())
                write(tmp_path, "number two")
                status, said = await reload(host, tmp_path)
                assert status == ExitStatus.OK, said
                assert not old & set(host.incarnations())
                after = [await client.submit("version", None) for _ in range(20)]
                assert {await handle.result(10) for handle in after} == {"number two"}
            known = [Submitted(task) for task in submitted]
            extra = await _all_ids(ledger) - set(submitted)
            await prove(client, [*known, *map(Submitted, extra)], ledger)
            turns = [match[1] for match in _TURN.finditer(host.process.stderr)]
            assert turns == ["is ready"] * 3 + ["ended", "is ready"] * 3


async def test_broken_code_and_bad_settings_cost_nothing(
    valkey: RedisServer, tmp_path: Path
) -> None:
    """A syntax error and a wrong setting are said in one line each; the same shards work on."""
    ledger = Ledger(tmp_path / "ledger")
    write(tmp_path, "one")
    submitted: list[str] = []
    async with Shoal(settings_for(valkey.url, partitions=PARTITIONS)) as client:
        with Host(valkey.url, ledger, shards=2, app="program:app", cwd=tmp_path) as host:
            await host.ready()
            old = host.incarnations()
            async with load(client, submitted):
                (tmp_path / "program.py").write_text("def broken(:\n")
                status, said = await reload(host, tmp_path)
                assert status == ExitStatus.CONFIGURATION
                assert "Reload refused: importing program failed: SyntaxError" in said
                write(tmp_path, "one")
                (tmp_path / "shoal.toml").write_text("max_retries = -1\n")
                host.process.send(signal.SIGHUP)
                await wait_until_async(
                    lambda: "MAX_RETRIES in shoal.toml must be" in host.process.stderr, "it is said"
                )
                assert host.incarnations() == old
            await prove(client, list(map(Submitted, submitted)), ledger)
            (tmp_path / "shoal.toml").write_text("log_level = 'debug'\n")
            status, said = await reload(host, tmp_path)
            assert status == ExitStatus.OK, said
            assert "changed settings, for new shards: LOG_LEVEL" in host.process.stderr


async def test_a_host_that_is_not_there(tmp_path: Path) -> None:
    """``shoal reload`` without a host says so and what to do."""
    env = {"SHOAL_RUN_DIR": str(tmp_path), "WORKER_ID": "nobody"}
    with shoal("reload", env=env) as child:
        assert await asyncio.to_thread(child.wait) == ExitStatus.SYSTEM
        assert "error: no worker host that runs here has the file" in child.stderr


async def test_files_that_change_reload_their_host(valkey: RedisServer, tmp_path: Path) -> None:
    """``--reload``: a syntax error is shown, the next change is tried again, and its code runs."""
    folder = tmp_path / "app"
    folder.mkdir()
    ledger = Ledger(tmp_path / "ledger")
    write(folder, "one")
    async with Shoal(settings_for(valkey.url, partitions=PARTITIONS)) as client:
        with Host(
            valkey.url, ledger, shards=1, app="program:app", cwd=folder, options=("--reload",)
        ) as host:
            await host.ready()
            await asyncio.to_thread(host.process.wait_for_output, "for changes")
            (folder / "program.py").write_text("def broken(:\n")
            await asyncio.to_thread(host.process.wait_for_output, "SyntaxError")
            assert await (await client.submit("version", None)).result(10) == "one"
            write(folder, "number two")
            await asyncio.to_thread(host.process.wait_for_output, "reload done")
            assert await (await client.submit("version", None)).result(10) == "number two"
            tasks = await _all_ids(ledger)
            await prove(client, list(map(Submitted, tasks)), ledger)
            host.process.terminate()
            assert await asyncio.to_thread(host.process.wait) == ExitStatus.OK


async def _all_ids(ledger: Ledger) -> set[str]:
    """Every task that a handler has begun."""
    return {entry.task_id for entry in ledger.read("start")}
