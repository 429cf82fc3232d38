"""Chromium of the system, driven by Playwright; it asks nobody outside this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.api import KEY

#: A page is drawn within this, also on a busy machine.
PATIENCE_MS = 20_000
_ARGUMENTS = ("--disable-background-networking", "--disable-component-update", "--no-first-run")


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """The browser.

    Raises:
        RuntimeError: There is none: install the package ``chromium``.
    """
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise RuntimeError("no chromium on PATH: apt-get install chromium")
    arguments = [*_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def log_in(page: Page, url: str, key: str = KEY) -> None:
    """Open an address and sign in there."""
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation", name="Pages").wait_for()
