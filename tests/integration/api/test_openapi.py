"""A stranger's tool drives every address by the OpenAPI document, and the document page works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.api import KEY, Api, Client
from tests.support.processes import clean_environment

SEED = "20261124"
#: How long it tries, in seconds: some thousand requests on an idle machine, few on a busy one.
BUDGET_S = 30
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "use_after_free",
)


def test_the_document_is_served_to_who_may_see_it(api: Api) -> None:
    """With a key; the page that shows it is open, and runs only what stands in it."""
    assert api.get("/openapi.json").json["openapi"] == "3.1.0"
    stranger = Client(api.ports, None)
    assert stranger.get("/openapi.json").status == 401
    page = stranger.get("/docs")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.timeout(240)
def test_schemathesis_finds_nothing(api: Api, tmp_path: Path) -> None:
    """No fault of the server, no status, header or body that the document does not have, in any order."""
    url = f"http://127.0.0.1:{api.ports.admin}"
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json",
        "--header", f"X-API-Key: {KEY}",
        "--checks",
        ",".join(CHECKS),
        # Not `coverage`: on Python 3.11 it falls over a fault of `ast` that 3.12 has mended.
        "--phases", "examples,fuzzing,stateful",
        "--max-examples", "8", "--max-time", str(BUDGET_S), "--seed", SEED,
        "--request-timeout", "20", "--workers", "2", "--suppress-health-check", "all",
        # What ends the session or waits is tested elsewhere.
        "--exclude-path-regex", "^/(ws|api/v1/events|api/v1/session)$",
        "--no-color", "--warnings", "off",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**clean_environment(), "HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-8000:]
    assert int(re.findall(r"(\d+) generated", said)[-1]) >= 20, said[-2000:]
    assert api.get("/livez").status == 200
