"""Why a benchmark ended without a report; each is shown as one line."""

from __future__ import annotations


class LoadtestError(Exception):
    """The root."""


class ServerNotFound(LoadtestError):
    """The wanted server's binary is not on this machine; the message says how to get it."""


class WorkersFailed(LoadtestError):
    """The workers did not become ready; the message has the end of what they wrote."""


class BenchmarkFailed(LoadtestError):
    """What was measured went wrong, so that its figures would mean nothing."""
