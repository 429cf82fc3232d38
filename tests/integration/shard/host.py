"""Forks one shard, as a supervisor would, says what it reports, and ends with its exit status."""

import os
import signal
import sys

from shoal.config import Settings
from shoal.lifecycle import ChildContext
from shoal.page import Page
from shoal.supervisor import child
from shoal.telemetry import logs, metrics


def main() -> int:
    """Run until the shard ends; SIGTERM and SIGINT are passed on."""
    settings = Settings.from_environment()
    if "BURST" in os.environ:
        settings = settings.replace(worker__burst=True)
    nonce = os.environ.get("NONCE", "aaaaaa")
    page = Page.create(settings.worker.concurrency)
    page.begin(restarts=0)
    ready_read, ready_write = os.pipe()
    death_read, death_write = os.pipe()

    def run() -> int:
        logs.configure("debug", worker="w-0", as_json=True)
        metrics.configure(None)
        from shoal.shard.main import main as shard_main

        context = ChildContext(0, sys.argv[1], settings, page, ready_write, death_read, None, nonce)
        return shard_main(context)

    pid = child.fork(
        run, title="shoal shard 0", close=(ready_read, death_write), death_signal=signal.SIGTERM
    )
    page.set_pid(pid)
    os.close(ready_write)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    print(f"pid {pid}", flush=True)  # noqa: T201 - the test reads it
    report = os.read(ready_read, 4096).decode()
    print(f"report {report}", flush=True)  # noqa: T201 - the test reads it
    _, status = os.waitpid(pid, 0)
    print(f"processed {page.processed}", flush=True)  # noqa: T201 - the test reads it
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
