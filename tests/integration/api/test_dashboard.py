"""The dashboard as the API serves it: its files, and what its pages read."""

import gzip
import re

import pytest

from tests.support.api import Api, Client
from tests.support.dashboard import STATIC, build_dashboard

#: The first load, by gzip.
MAX_SCRIPT_BYTES = 200_000
MAX_STYLE_BYTES = 30_000


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """It is served only where it is built."""
    build_dashboard()


def linked(page: bytes) -> list[str]:
    """The addresses that the page loads from."""
    return re.findall(r'(?:src|href)="(\./assets/[^"]+)"', page.decode())


@pytest.mark.parametrize(
    ("path", "base"),
    [("/", "./"), ("/overview", "./"), ("/tasks/019ab0c3-a23b-7007-a64f-0deb1923d8e5", "../")],
)
def test_the_page_is_served_wherever_it_has_an_address(api: Api, path: str, base: str) -> None:
    """Without a key, with a strict policy, never kept, and with a base that leads to the root."""
    answer = Client(api.ports, None).get(path)
    assert answer.status == 200
    assert f'<base href="{base}">' in answer.body.decode()
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    again = Client(api.ports, None).get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_every_file_it_names_is_there_for_ever(api: Api) -> None:
    """Kept for a year, of the right kind, packed for those who take it; others are no page but a 404."""
    files = linked(api.get("/").body)
    assert len(files) >= 3
    for file in files:
        answer = api.get(file[1:], headers={"Accept-Encoding": "gzip"})
        plain = api.get(file[1:])
        assert answer.status == plain.status == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].startswith(("text/javascript", "text/css", "image/"))
        if answer.headers.get("content-encoding") == "gzip":
            assert gzip.decompress(answer.body) == plain.body
    for wrong in ("/assets/none.js", "/assets/..%2findex.html", "/nothing", "/tasks/a/b"):
        answer = api.get(wrong)
        assert (answer.status, answer.code) == (404, "not_found"), wrong


def test_the_first_load_is_small_and_names_no_other_host() -> None:
    """At most 200 kB of script and 30 kB of style, packed; nothing is fetched from elsewhere."""
    scripts = [len(gzip.compress(path.read_bytes())) for path in (STATIC / "assets").glob("*.js")]
    styles = [len(gzip.compress(path.read_bytes())) for path in (STATIC / "assets").glob("*.css")]
    assert 0 < sum(scripts) <= MAX_SCRIPT_BYTES
    assert 0 < sum(styles) <= MAX_STYLE_BYTES
    text = "".join(p.read_text() for p in STATIC.rglob("*") if p.suffix in (".js", ".css", ".html"))
    hosts = set(re.findall(r"https?://([\w.-]+)", text))
    # Names of XML, and where React's errors are explained: nobody fetches them.
    assert hosts <= {"www.w3.org", "react.dev", "lucide.dev"}


def test_a_snapshot_counts_what_was_submitted(api: Api) -> None:
    """Exact numbers by state, type and queue, and who asks."""
    for _ in range(3):
        api.submit("mail", priority="HIGH", queue="post")
    seen = api.get("/api/v1/dashboard/snapshot").json
    assert seen["states"]["PENDING"] == 3
    assert seen["types"] == {"mail": {"PENDING": 3}}
    [row] = [r for r in seen["queues"] if (r["queue"], r["priority"]) == ("post", "HIGH")]
    assert (row["depth"], row["submitted"], row["settled"]) == (3, 3, 0)
    assert seen["workers"] == []
    assert seen["principal"]["role"] == "admin"


def test_nothing_has_died_and_nothing_is_scheduled_yet(api: Api) -> None:
    """Both lists are empty, not missing."""
    assert api.get("/api/v1/dashboard/dead").json == {"groups": [], "counted": 0, "total": 0}
    assert api.get("/api/v1/dashboard/schedules").json == {"schedules": []}


def test_what_was_cancelled_is_requeued_once_for_a_wish(api: Api) -> None:
    """A repeat with the same wish does nothing more; what waits, is unknown or misnamed is refused."""
    task_id = api.submit()
    address = f"/api/v1/dashboard/tasks/{task_id}/requeue"
    answer = api.request("POST", address)
    assert (answer.status, answer.code) == (409, "task_not_requeueable")
    assert answer.json["state"] == "PENDING"
    api.request("DELETE", f"/api/v1/tasks/{task_id}")
    for _ in range(2):
        answer = api.request("POST", address, headers={"Idempotency-Key": "wish1"})
        assert (answer.status, answer.json["requeued"]) == (200, True)
    assert api.task(task_id)["state"] == "PENDING"
    unknown = "019ab0c3-a23b-7007-a64f-0deb1923d8e5"
    other = api.request("POST", f"/api/v1/dashboard/tasks/{unknown}/requeue")
    assert (other.status, other.code) == (404, "task_not_found")
    wrong = api.request("POST", "/api/v1/dashboard/tasks/x/requeue")
    assert (wrong.status, wrong.code) == (400, "invalid_id")
    answer = api.request("POST", address, headers={"Idempotency-Key": "a wish"})
    assert (answer.status, answer.code) == (400, "invalid_parameter")
