"""Forks the supervisor's children, and knows what they must not inherit."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shoal.broker.results import Blame
from shoal.config import Settings
from shoal.lifecycle import ChildContext
from shoal.model.identity import Incarnation, boot_nonce
from shoal.supervisor import child
from shoal.supervisor.board import Board
from shoal.supervisor.cores import default_shards, usable_cores
from shoal.supervisor.slot import Report, Slot
from shoal.telemetry import logs, metrics

__all__ = ["Helper", "Launcher", "Programs"]


@dataclass(frozen=True, slots=True)
class Programs:
    """The mains of the children, by name; resolved in the child."""

    #: ``main(ChildContext) -> exit status``.
    shard: str = "shoal.shard.main:main"
    #: ``main(settings, incarnation, reason, blame) -> HandedBack``.
    releaser: str = "shoal.supervisor.releaser:main"
    #: ``main(settings, board, metrics directory, ready_fd) -> exit status``.
    exporter: str = "shoal.supervisor.exporter:main"
    #: ``main(app_spec, ready_fd) -> exit status``; not imported by the supervisor.
    trial: str = "shoal.supervisor.trial:main"
    #: ``main(app_spec, ready_fd) -> exit status``; likewise.
    watcher: str = "shoal.supervisor.watcher:main"

    @property
    def modules(self) -> tuple[str, ...]:
        """What to import before the first fork, so that the children share its memory."""
        return tuple(name.partition(":")[0] for name in (self.shard, self.releaser, self.exporter))


@dataclass(slots=True)
class Helper:
    """A running child that is no shard."""

    pid: int
    report: Report


class Launcher:
    """Forks children; all of them end with the supervisor, however it ends."""

    def __init__(
        self,
        settings: Settings,
        app_spec: str,
        board: Board,
        programs: Programs,
        metrics_directory: Path | None,
    ) -> None:
        """Open the death pipe; ``metrics_directory`` None = metrics stay in each process."""
        self._settings = settings
        self._app_spec = app_spec
        self._board = board
        self._programs = programs
        self._metrics_directory = metrics_directory
        # Real randomness: two hosts started from one image must not choose alike.
        self._rng = random.SystemRandom()
        # Nobody ever writes to it: its end of file is the supervisor's death.
        self._death_read, self._death_write = os.pipe()
        #: Descriptors of the supervisor's own, beside pipes to children; the arbiter adds to it.
        self.own_fds: set[int] = {self._death_write}
        self._reports: list[Report] = []

    def adopt(self, settings: Settings) -> None:
        """Children forked from now on have these settings."""
        self._settings = settings

    def fork_shard(self, slot: Slot, now_s: float) -> None:
        """Fork a shard into ``slot``.

        Raises:
            OSError: The system has no process or descriptor to give.
        """
        settings = self._settings
        if slot.is_isolation:
            settings = settings.replace(worker__concurrency=1)
        incarnation = Incarnation(settings.worker.id, slot.index, boot_nonce(self._rng))
        replaces = slot.replaces
        shards = settings.worker.shards or default_shards()
        slot.page.resize(settings.worker.concurrency)
        slot.page.begin(restarts=slot.starts)

        def run(ready_fd: int) -> int:
            logs.configure(settings.log_level, worker=str(incarnation))
            metrics.configure(
                self._metrics_directory, slot.label, max_types=settings.limit.max_types
            )
            context = ChildContext(
                slot_index=slot.index,
                app_spec=self._app_spec,
                settings=settings,
                page=slot.page,
                ready_fd=ready_fd,
                death_fd=self._death_read,
                replaces=replaces,
                nonce=incarnation.nonce,
                is_isolation=slot.is_isolation,
                shards_per_core=shards / usable_cores(),
            )
            return int(child.resolve(self._programs.shard)(context))

        # The shard learns of the supervisor's death from the pipe and hands its tasks back; the
        # signal is the second net, and it must not kill it before it has done so.
        helper = self._fork(run, f"shoal shard {slot.label}", signal.SIGTERM)
        slot.started(helper.pid, str(incarnation), helper.report, now_s)

    def forget_gauges(self, slot: Slot) -> None:
        """Remove from the host's metrics what was so of the dead shard of this place."""
        if self._metrics_directory is not None:
            metrics.forget_gauges(self._metrics_directory, slot.label)

    def fork_releaser(self, incarnation: str, reason: str, blame: Blame | None) -> Helper:
        """Fork a child that hands back what a dead shard was running.

        It reports how many tasks it handed back, and how many of them are isolated.
        """

        def run(report_fd: int) -> int:
            logs.configure(self._settings.log_level, worker=incarnation)
            child.end_with_parent(self._death_read)
            release = child.resolve(self._programs.releaser)
            tasks, isolated = release(self._settings, incarnation, reason, blame)
            os.write(report_fd, b"%d %d\n" % (tasks, isolated))
            return 0

        return self._fork(run, "shoal releaser", signal.SIGKILL)

    def fork_exporter(self) -> Helper:
        """Fork the child that serves the host's metrics and health."""

        def run(ready_fd: int) -> int:
            logs.configure(self._settings.log_level, worker=self._settings.worker.id)
            child.end_with_parent(self._death_read)
            serve = child.resolve(self._programs.exporter)
            return int(serve(self._settings, self._board, self._metrics_directory, ready_fd))

        return self._fork(run, "shoal exporter", signal.SIGKILL)

    def fork_trial(self, settings: Settings) -> Helper:
        """Fork a child that imports the application, reports how that went, and ends."""
        return self._fork_with_app(self._programs.trial, settings, "shoal trial")

    def fork_watcher(self) -> Helper:
        """Fork the child that sends SIGHUP when the application's files change."""
        return self._fork_with_app(self._programs.watcher, self._settings, "shoal watcher")

    def _fork_with_app(self, program: str, settings: Settings, title: str) -> Helper:
        def run(report_fd: int) -> int:
            logs.configure(settings.log_level, worker=settings.worker.id)
            child.end_with_parent(self._death_read)
            return int(child.resolve(program)(self._app_spec, report_fd))

        return self._fork(run, title, signal.SIGKILL)

    def close(self) -> None:
        """Close the death pipe: whoever still lives takes it for the supervisor's end."""
        os.close(self._death_write)
        os.close(self._death_read)

    def _fork(self, run: Callable[[int], int], title: str, death_signal: signal.Signals) -> Helper:
        self._reports = [report for report in self._reports if report.is_open]
        read_fd, write_fd = os.pipe()
        foreign = {*self.own_fds, read_fd, *(report.fd for report in self._reports)}
        try:
            pid = child.fork(
                lambda: run(write_fd), title=title, close=foreign, death_signal=death_signal
            )
        except OSError:
            os.close(read_fd)
            raise
        finally:
            os.close(write_fd)
        report = Report(read_fd)
        self._reports.append(report)
        return Helper(pid, report)
