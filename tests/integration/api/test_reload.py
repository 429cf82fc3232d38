"""The API reads its settings again, whole or not at all."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.support.api import Client, running_api
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

ADDRESS = "/admin/config/reload"


def _write(folder: Path, **settings: object) -> None:
    lines = [f"{name} = {value!r}\n".replace("True", "true") for name, value in settings.items()]
    (folder / "shoal.toml").write_text("".join(lines))


def test_limits_and_more_change_while_it_serves(proven: RedisServer, tmp_path: Path) -> None:
    """What may change holds from the next request on; what needs a restart is named and does not."""
    with running_api(proven.url, cwd=tmp_path) as api:
        stranger = Client(api.ports, None)
        assert stranger.get("/metrics").code == "unauthorized"
        api.submit(payload="x" * 2000)
        _write(
            tmp_path,
            shoal_max_payload=1024,
            max_queue_size=8,
            shoal_metrics_public=True,
            shoal_lease="20s",
        )
        answer = api.request("POST", ADDRESS)
        assert answer.status == 200, answer.body
        assert answer.json == {
            "changed": ["SHOAL_MAX_PAYLOAD", "MAX_QUEUE_SIZE", "SHOAL_METRICS_PUBLIC"],
            "needs_restart": ["SHOAL_LEASE"],
        }
        assert api.post({"type": "mail", "payload": "x" * 2000}).code == "payload_too_large"
        assert stranger.get("/metrics").status == 200
        answers = [api.post({"type": "mail", "payload": None}) for _ in range(10)]
        assert answers[-1].code == "queue_full"
        _write(tmp_path)
        assert "MAX_QUEUE_SIZE" in api.request("POST", ADDRESS).json["changed"]
        assert api.post({"type": "mail", "payload": None}).status == 202


def test_wrong_settings_change_nothing(proven: RedisServer, tmp_path: Path) -> None:
    """422 with every fault, and the old ones stay, also those that were right."""
    with running_api(proven.url, cwd=tmp_path) as api:
        _write(tmp_path, shoal_max_payload=1024, max_queue_size=0, max_retrys=3)
        answer = api.request("POST", ADDRESS)
        assert (answer.status, answer.code) == (422, "invalid_settings")
        faults = [fault["message"] for fault in answer.json["errors"]]
        assert len(faults) == 2
        assert any("MAX_QUEUE_SIZE" in fault for fault in faults)
        assert any("did you mean MAX_RETRIES" in fault for fault in faults)
        api.submit(payload="x" * 2000)
        assert "reload refused" in api.process.stderr


def test_sighup_and_the_processes_of_one_port(proven: RedisServer, tmp_path: Path) -> None:
    """All processes of ``-p 3`` take it over, told by an address or by a signal; none ends."""
    with running_api(proven.url, "-p", "3", cwd=tmp_path) as api:
        wait_until(lambda: api.process.stderr.count("the API listens") == 3, "all listen")
        processes = api.process.children()
        _write(tmp_path, max_retries=4)
        assert api.request("POST", ADDRESS).json["changed"] == ["MAX_RETRIES"]
        log = "reload done, changed: MAX_RETRIES"
        wait_until(lambda: api.process.stderr.count(log) == 3, "all have reloaded")
        _write(tmp_path, max_retries=5)
        api.process.send(signal.SIGHUP)
        wait_until(lambda: api.process.stderr.count(log) == 6, "all have reloaded again")
        assert api.process.children() == processes
