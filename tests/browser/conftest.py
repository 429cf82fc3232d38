"""One stack and one browser for all tests of a session; a page that is signed in for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import log_in, running_browser
from tests.browser.stack import fill, running_stack
from tests.support.api import Client
from tests.support.dashboard import build_dashboard


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A whole Shoal."""
    build_dashboard()
    folder: Path = tmp_path_factory.mktemp("stack")
    with running_stack(folder) as client:
        yield client


@pytest.fixture(scope="package")
def tasks(stack: Client) -> dict[str, str]:
    """State → id of a task in it."""
    return fill(stack)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with running_browser() as started:
        yield started


@pytest.fixture
def url(stack: Client) -> str:
    """Where the dashboard is."""
    return f"http://127.0.0.1:{stack.ports.public}"


@pytest.fixture
def page(browser: Browser, url: str, tasks: dict[str, str]) -> Iterator[Page]:
    """The overview, signed in; at the end nothing has been refused by the content security policy."""
    context = browser.new_context(viewport={"width": 1360, "height": 850}, timezone_id="UTC")
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda line: faults.append(line.text) if "Policy" in line.text else None)
    log_in(opened, url)
    yield opened
    context.close()
    assert not faults, faults
