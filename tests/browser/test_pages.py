"""The golden path of each page."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.api import Client
from tests.support.processes import ROOT
from tests.support.waiting import wait_until

PAGES: dict[str, str | re.Pattern[str]] = {
    "Overview": "Throughput",
    # Whichever tasks are the newest: how many there are depends on the tests before.
    "Tasks": re.compile(r"email\.send|image\.thumbnail|report\.export|video\.encode"),
    "Queues": "reports",
    "Workers": "slots",
    "Dead letters": "cannot identify image file",
    "Schedules": "nightly-report",
    "Metrics": "Outcomes",
    "System": "shoal_queue_depth",
    "Submit": "Payload, as JSON",
}
AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"


def go(page: Page, name: str) -> None:
    """Choose a page in the rail."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).first.click()


def faults(page: Page) -> list[str]:
    """What axe finds that is serious or worse, once what moves stands still."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{one['id']}: {[node['target'] for node in one['nodes']][:4]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", PAGES)
def test_each_page_shows_what_is_there(page: Page, name: str) -> None:
    """Every page of the rail opens by a click, shows the stack's data, and again after a reload."""
    go(page, name)
    expect(page.locator("main")).to_contain_text(PAGES[name])
    page.reload()
    expect(page.locator("main")).to_contain_text(PAGES[name])


@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
def test_no_page_has_a_serious_fault_of_accessibility(page: Page, theme: str) -> None:
    """Axe finds nothing serious on any page, in any theme."""
    page.evaluate("t => localStorage.setItem('shoal.prefs', JSON.stringify({theme: t}))", theme)
    page.reload()
    found = {}
    for name, text in PAGES.items():
        go(page, name)
        expect(page.locator("main")).to_contain_text(text)
        if problems := faults(page):
            found[name] = problems
    assert not found, json.dumps(found, indent=1)


def test_a_wrong_key_signs_nobody_in(page: Page, url: str) -> None:
    """It is said beside the field, and the page stays closed; signing out closes it too."""
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    page.goto(f"{url}/tasks")
    expect(page.get_by_label("API key")).to_be_visible()


def test_tasks_are_filtered_by_what_is_written(page: Page, stack: Client) -> None:
    """State and type fit each row, the address holds the filter, and nonsense is said to be that."""
    go(page, "Tasks")
    bar = page.get_by_label("Filter tasks")
    bar.fill("state:dead type:image.thumbnail")
    bar.press("Enter")
    expect(page).to_have_url(re.compile(r"q=state(:|%3A)dead"))
    badges = page.locator(".vbody .badge")
    expect(badges).to_have_count(6)
    assert set(badges.all_inner_texts()) == {"DEAD"}
    bar.fill("colour:red")
    bar.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("colour:")


def test_a_task_shows_its_payload_to_the_digit(page: Page, stack: Client, url: str) -> None:
    """A number that JavaScript cannot hold is shown as it was returned."""
    task_id = stack.submit("report.export", {"table": "<img src=x onerror=alert(1)>"})
    stack.get(f"/api/v1/tasks/{task_id}?wait=20s")
    page.goto(f"{url}/tasks/{task_id}")
    main = page.locator("main")
    expect(main).to_contain_text("12345678901234567890")
    expect(main).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("main img").count() == 0


def test_a_running_task_is_cancelled_in_two_steps(page: Page, stack: Client, url: str) -> None:
    """The first click asks, the second cancels, and the state follows by itself."""
    task_id = stack.submit("video.encode", {"file": "short.mkv"})
    page.goto(f"{url}/tasks/{task_id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("RUNNING")
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog", name="Cancel this task?")
    expect(dialog.get_by_role("button", name="Leave it")).to_be_focused()
    assert not faults(page)
    dialog.get_by_role("button", name="Cancel the task").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("CANCELLED")


def test_a_failed_task_is_requeued(page: Page, stack: Client, url: str) -> None:
    """A dead letter becomes ready again with one click, and dies again of the same."""
    task_id = stack.submit("image.thumbnail", {"source": "a.txt", "sizes": [1]})
    stack.get(f"/api/v1/tasks/{task_id}?wait=20s")
    page.goto(f"{url}/tasks/{task_id}")
    page.get_by_role("button", name="Requeue").click()
    expect(page.get_by_role("status").filter(has_text="Requeued")).to_be_visible()
    wait_until(lambda: len(stack.task(task_id)["history"]) >= 2, "it has run again", 20.0)


def test_many_are_requeued_by_selection(page: Page, stack: Client) -> None:
    """All that are selected are done, their number is asked about and told."""
    for number in range(3):
        stack.submit("image.thumbnail", {"source": f"{number}.txt"}, metadata={"n": "1"})
    go(page, "Dead letters")
    page.get_by_role("link", name="all of them").click()
    rows = page.locator(".vbody .vrow")
    expect(rows.first).to_be_visible()
    rows.nth(0).get_by_role("checkbox").check()
    rows.nth(1).get_by_role("checkbox").check()
    page.get_by_role("button", name="Requeue 2").click()
    page.get_by_role("button", name="Requeue them").click()
    expect(page.get_by_role("status").filter(has_text="Requeued 2 tasks")).to_be_visible()


def test_a_task_is_submitted_by_the_form(page: Page, stack: Client) -> None:
    """What is written arrives to the digit; a payload that is no JSON is refused before it is sent."""
    go(page, "Submit")
    page.get_by_label("Type", exact=True).fill("report.export")
    payload = page.get_by_label("Payload, as JSON")
    payload.fill('{"table": ')
    expect(page.get_by_role("alert")).to_contain_text("no JSON")
    expect(page.get_by_role("button", name="Submit", exact=True)).to_be_disabled()
    payload.fill('{"table": "x", "n": 12345678901234567891}')
    page.get_by_role("button", name="Submit", exact=True).click()
    link = page.get_by_role("status").get_by_role("link")
    assert stack.task(link.inner_text())["payload"]["n"] == 12345678901234567891


def test_everything_can_be_reached_by_keys(page: Page) -> None:
    """Pages, help, palette, and the rows of a list need no pointer."""
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("heading", name="Tasks", level=1)).to_be_visible()
    expect(page.locator(".vbody .vrow").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Space")
    expect(page.locator("dialog.drawer")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/tasks/[0-9a-f-]{36}$"))
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("work")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Workers", level=1)).to_be_visible()


def test_paused_means_that_nothing_is_asked(page: Page) -> None:
    """While paused no request is sent on any page that was open; going on reads again."""
    go(page, "Dead letters")
    expect(page.locator("main")).to_contain_text("cannot identify")
    page.locator("button.pill").click()
    expect(page.locator("button.pill")).to_contain_text("Paused")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # Longer than any page waits between two readings.
    page.wait_for_timeout(6_000)
    assert asked == []
    page.locator("button.pill").click()
    expect(page.locator("button.pill")).to_contain_text("Every 2 s")


@pytest.mark.parametrize("width", [360, 680])
def test_a_narrow_page_scrolls_in_one_direction_only(page: Page, width: int) -> None:
    """At 360 px, and at the half of 1360 as by a zoom of 200 %, nothing is cut off sideways."""
    page.set_viewport_size({"width": width, "height": 740})
    for name, text in PAGES.items():
        go(page, name)
        expect(page.locator("main")).to_contain_text(text)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_times_are_shown_in_the_zone_that_was_chosen(page: Page) -> None:
    """One button changes them all; the title says UTC in any case."""
    page.get_by_role("button", name="Local time").click()
    expect(page.get_by_role("button", name="UTC")).to_be_visible()
    go(page, "Schedules")
    assert (page.locator("main time").first.get_attribute("title") or "").endswith("Z")
