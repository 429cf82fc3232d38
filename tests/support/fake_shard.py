"""A small real child for tests of the supervisor, and a program that supervises it.

What a child does is read at its start from the file ``behaviour`` in the directory that
``FAKE_DIRECTORY`` names; what happens is appended to ``events`` there, one JSON object a line.
Behaviours:

* ``work``: ready at once, ticks, drains on SIGTERM at once; ``work:N`` says it processed N tasks;
* ``stubborn``: the same, and takes no notice of SIGTERM;
* ``patient``: drains for ever, ends at the second SIGTERM;
* ``silent``: ready, then alive without ticking;
* ``fail:STATUS:MESSAGE``: reports that it can't start;
* ``orphaning``: leaves a grandchild behind, then works; ``slow``: is never ready;
* ``exit:STATUS``: exits before it is ready; ``done``: ready, then exits with 0.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from shoal.broker.results import Blame, HandedBack
from shoal.config import Settings
from shoal.lifecycle import READY, ChildContext, startup_failure
from shoal.model.identity import Incarnation
from shoal.page import PageState
from shoal.supervisor.main import run
from shoal.supervisor.restart import RestartPolicy
from shoal.telemetry import metrics

DIRECTORY_VARIABLE = "FAKE_DIRECTORY"
POLICY_VARIABLE = "FAKE_POLICY"
REAL_RELEASER_VARIABLE = "FAKE_REAL_RELEASER"
TICK_S = 0.02
TASK_TYPE = "fake.task"


def directory() -> Path:
    """Where behaviours are read and events are written."""
    return Path(os.environ[DIRECTORY_VARIABLE])


def note(event: str, **fields: Any) -> None:
    """Append an event, in one write."""
    line = json.dumps({"event": event, "pid": os.getpid(), "at": time.monotonic(), **fields})
    with (directory() / "events").open("a") as events:
        events.write(line + "\n")


def main(context: ChildContext) -> int:
    """Behave, until told to end or the supervisor is gone."""
    behaviour, _, detail = (directory() / "behaviour").read_text().strip().partition(":")
    own = Incarnation(context.settings.worker.id, context.slot_index, context.nonce)
    open_fds = sorted(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    note(
        "start",
        incarnation=str(own),
        replaces=context.replaces,
        app=context.app_spec,
        fds=open_fds,
        concurrency=context.settings.worker.concurrency,
        slots=context.page.slots,
    )
    if behaviour == "fail":
        status, _, message = detail.partition(":")
        os.write(context.ready_fd, startup_failure(int(status), message))
        return int(status)
    if behaviour == "exit":
        return int(detail)
    if behaviour == "orphaning":
        leave_orphan()
    if behaviour == "slow":
        signal.pause()
    terms: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: terms.append(number))
    page = context.page
    metrics.current().completed.labels(TASK_TYPE, "COMPLETED").inc()
    page.processed = int(detail or 0)
    page.set_slot(0, 3, b"default:1/1-0/1", b"01900000-0000-7000-8000-000000000001", b"fake.task")
    page.executing(0)
    page.state = PageState.READY
    page.tick()
    page.contact()
    os.write(context.ready_fd, READY)
    note("ready", incarnation=str(own))
    if behaviour == "done":
        page.state = PageState.ENDED
        return 0
    wanted = {"stubborn": 1_000_000, "patient": 2}.get(behaviour, 1)
    while len(terms) < wanted:
        if select.select([context.death_fd], [], [], TICK_S)[0]:
            note("orphaned")
            return 0
        if behaviour != "silent":
            page.tick()
            page.contact()
        if terms:
            page.state = PageState.DRAINING
    # The kernel's signal may come before the end of file is seen: the same death, told twice.
    is_orphaned = select.select([context.death_fd], [], [], 0)[0]
    page.state = PageState.ENDED
    note("orphaned" if is_orphaned else "drained", terms=len(terms))
    return 0


def leave_orphan() -> None:
    """Fork a child that forks another and ends: nobody but process 1 will wait for the other."""
    between = os.fork()
    if between == 0:
        if os.fork() == 0:
            signal.alarm(1)
            signal.pause()
        os._exit(0)
    os.waitpid(between, 0)


def release(_settings: Settings, incarnation: str, reason: str, blame: Blame | None) -> HandedBack:
    """Stands in for the releaser: notes that it was asked."""
    charged = [charge.type.decode() for charge in blame.charges] if blame else []
    note("release", incarnation=incarnation, reason=reason, charged=charged)
    return HandedBack(7, 0)


def trial(_app_spec: str, ready_fd: int) -> int:
    """Stands in for the trial: good, unless the file ``trial`` says what is wrong."""
    note("trial")
    wrong = directory() / "trial"
    if wrong.exists():
        os.write(ready_fd, startup_failure(66, wrong.read_text()))
        return 66
    os.write(ready_fd, READY)
    return 0


def supervise() -> int:
    """Supervise fakes; settings come from the environment."""
    policy = os.environ.get(POLICY_VARIABLE)
    is_real = REAL_RELEASER_VARIABLE in os.environ

    def reread() -> Settings:
        file = directory() / "shoal.toml"
        settings = Settings.load(os.environ, file if file.exists() else None)
        return settings.replace(worker__burst="FAKE_BURST" in os.environ)

    return run(
        reread(),
        "some_app:app",
        child="tests.support.fake_shard:main",
        releaser="shoal.supervisor.releaser:main"
        if is_real
        else "tests.support.fake_shard:release",
        trial="tests.support.fake_shard:trial",
        reread=reread,
        policy=RestartPolicy(**json.loads(policy)) if policy else None,
    )


if __name__ == "__main__":
    sys.exit(supervise())
