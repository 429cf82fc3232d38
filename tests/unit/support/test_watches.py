"""The standing watches see what a test leaves behind."""

import re
from pathlib import Path

import pytest

from tests.support.processes import ROOT, python

THREAD = """
import threading
def test_leaks():
    threading.Thread(target=threading.Event().wait, name="leak", daemon=True).start()
"""
PROCESS = """
import subprocess
def test_leaks():
    global kept
    kept = subprocess.Popen(["sleep", "60"])
"""
ORPHAN = """
from tests.support.processes import ChildProcess
def test_leaks():
    with ChildProcess(["sh", "-c", "sleep 60 & exec true"]) as child:
        child.wait()
"""
DESCRIPTOR = """
import os
def test_leaks():
    os.open("/dev/null", os.O_RDONLY)
"""
TASK = """
import asyncio
async def test_leaks():
    global kept
    kept = asyncio.create_task(asyncio.Event().wait(), name="leak")
"""
LEAKS = {
    "thread": (THREAD, r"thread 'leak'"),
    "process": (PROCESS, r"process \d+ \(sleep 60\)"),
    "orphan": (ORPHAN, r"process \d+ \(sleep 60\)"),
    "descriptor": (DESCRIPTOR, r"file descriptor \d+ \(/dev/null\)"),
    "descriptor on a loop": (
        DESCRIPTOR.replace("def test", "async def test"),
        r"file descriptor \d+ \(/dev/null\)",
    ),
    "task": (TASK, r"asyncio task 'leak'"),
}

CLEAN = """
import asyncio, os, subprocess, threading
from tests.support.processes import ChildProcess
def test_sync():
    thread = threading.Thread(target=int)
    thread.start()
    subprocess.run(["true"], check=True)
    os.close(os.open("/dev/null", os.O_RDONLY))
async def test_async():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await asyncio.to_thread(int)
    writer.close()
    server.close()
    asyncio.create_task(asyncio.sleep(0.01)).cancel()
def test_servers(valkey, redis7):
    with valkey.client() as client:
        client.bgrewriteaof()
"""


def run_suite(path: Path, source: str, *, settle_s: str = "2") -> tuple[int, str]:
    """Run a test file under the suite's own configuration and fixtures."""
    path.write_text(source)
    options = ["-q", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest"]
    options += ["-p", "no:cacheprovider"]
    env = {"SHOAL_TEST_SETTLE_S": settle_s}
    with python("-m", "pytest", *options, str(path), env=env) as suite:
        return suite.wait(), suite.stdout + suite.stderr


@pytest.mark.parametrize("kind", LEAKS)
def test_a_planted_leak_fails_the_test(tmp_path: Path, kind: str) -> None:
    """A thread, process, orphan, descriptor or task left over is an error that names it."""
    source, expected = LEAKS[kind]
    status, output = run_suite(tmp_path / "test_planted.py", source, settle_s="0.2")
    assert status == 1, output
    assert re.search(f"LeftBehind: the test left behind: .*{expected}", output), output


def test_a_clean_test_passes(tmp_path: Path) -> None:
    """What ends in time, and the shared servers, are no leaks."""
    status, output = run_suite(tmp_path / "test_clean.py", CLEAN)
    assert status == 0, output
