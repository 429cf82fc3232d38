"""One shot: imports the application, so that broken code is found before a shard makes room for it."""

from __future__ import annotations

import os

from shoal.errors import ExitStatus, ShoalError
from shoal.lifecycle import READY, startup_failure
from shoal.loading import load_app

__all__ = ["main"]


def main(app_spec: str, ready_fd: int) -> int:
    """Import ``app_spec`` and write ``READY``, or what is wrong with it, to ``ready_fd``."""
    try:
        load_app(app_spec)
    except ShoalError as error:
        message = f"{error}. {error.remedy}" if error.remedy else str(error)
        os.write(ready_fd, startup_failure(error.exit_status, message))
        return int(error.exit_status)
    os.write(ready_fd, READY)
    return int(ExitStatus.OK)
