"""``scripts/screenshots``: each page in light and dark, as WebP."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize

from tests.browser.chromium import log_in, running_browser
from tests.browser.stack import fill, running_stack

PAGES = (
    "overview",
    "tasks",
    "queues",
    "workers",
    "dead",
    "schedules",
    "charts",
    "system",
    "submit",
)
SIZE: ViewportSize = {"width": 1360, "height": 850}
#: For charts that have a line, in ms.
_LOOK_MS = 14_000


def take(page: Page, target: Path) -> None:
    """One picture."""
    page.wait_for_timeout(1200)
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").save(target, "WEBP", quality=82, method=6)


def main(folder: Path) -> int:
    """All of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running_stack(Path(data)) as client:
        ids = fill(client)
        url = f"http://127.0.0.1:{client.ports.public}"
        with running_browser() as browser:
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport=SIZE, color_scheme=theme, timezone_id="Europe/Berlin"
                )
                page = context.new_page()
                log_in(page, url)
                for number in range(40):
                    client.submit("email.send", {"to": f"later{number}@example.com"})
                page.wait_for_timeout(_LOOK_MS)
                for name in PAGES:
                    page.locator(f"nav a[href$='/{name}']").first.click()
                    take(page, folder / f"{name}-{theme}.webp")
                for state in ("failed", "running"):
                    page.goto(f"{url}/tasks/{ids[state.upper()]}")
                    take(page, folder / f"task-{state}-{theme}.webp")
                context.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
