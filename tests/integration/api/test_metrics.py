"""What the API tells Prometheus: of the deployment once, of its processes the sum."""

from __future__ import annotations

import os
import signal

import psutil

from tests.support.api import Api, running_api
from tests.support.live import live_client
from tests.support.scrape import Scraped
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until, wait_until_async


def _scraped(api: Api) -> Scraped:
    return Scraped(api.get("/metrics").body.decode())


def test_a_queue_is_nearly_full_from_the_share_that_the_setting_says(proven: RedisServer) -> None:
    """0 with 7 of 10, 1 with 8; depth and capacity are told beside it, of that priority alone."""
    env = {"MAX_QUEUE_SIZE": "10", "SHOAL_QUEUE_WARNING": "0.8", "SHOAL_PARTITIONS": "1"}
    with running_api(proven.url, env=env) as api:

        def told(name: str, priority: str = "NORMAL") -> float:
            return _scraped(api).sum(name, queue="default", priority=priority)

        for number in range(1, 11):
            api.submit()
            wait_until(lambda n=number: told("shoal_queue_depth") == n, "the depth is told")  # type: ignore[misc]
            assert told("shoal_queue_nearly_full") == float(number >= 8)
        assert api.post({"type": "mail", "payload": None}).code == "queue_full"
        assert told("shoal_queue_capacity") == 10
        assert told("shoal_queue_nearly_full", "HIGH") == 0


def test_what_redis_counted_is_told_by_type(api: Api) -> None:
    """Submissions, cancels, the servers' memory and their settings; all workers' states at 0."""
    task = api.submit("mail")
    api.submit("sms", priority="LOW")
    api.request("DELETE", f"/api/v1/tasks/{task}")

    def recorded(event: str, **labels: str) -> float:
        return _scraped(api).sum("shoal_tasks_recorded_total", event=event, **labels)

    wait_until(lambda: recorded("cancelled", type="mail") == 1, "the cancel is told")
    assert recorded("submitted") == 2
    assert recorded("submitted", type="sms") == 1
    seen = _scraped(api)
    assert len(seen.values("shoal_workers")) == 4
    assert seen.sum("shoal_workers") == seen.sum("shoal_worker_slots") == 0
    (memory,) = seen.values("shoal_redis_memory_bytes")
    (limit,) = seen.values("shoal_redis_memory_limit_bytes")
    assert 0 < memory < limit
    assert seen.values("shoal_redis_evicts") == [0]
    assert seen.sum("shoal_redis_call_seconds_count", verb="submit") >= 2
    assert len(seen.values("shoal_build_info")) == 1
    assert seen.sum("shoal_scheduled_overdue_seconds") == 0


def test_a_due_task_that_nobody_makes_ready_is_overdue(api: Api) -> None:
    """Without a worker that promotes it, its age since it was due grows."""
    api.submit("late", delay=0.2)
    wait_until(lambda: _scraped(api).sum("shoal_scheduled_overdue_seconds") > 0.3, "it is overdue")


async def test_live_clients_and_what_they_get_are_counted(api: Api) -> None:
    """A client is connected, and is sent an event within a second; afterwards there is none."""
    before = _scraped(api).sum("shoal_ws_delivery_seconds_count")
    async with live_client(api.ports) as client:
        await client.sub("feed")
        await client.wait(lambda: client.of("subscribed"), "it is subscribed")
        task = api.submit("seen")
        await client.wait(lambda: client.events("task.submitted"), "the event came")
        assert task
        seen = _scraped(api)
        assert seen.sum("shoal_ws_clients") == 1
        assert seen.sum("shoal_ws_delivery_seconds_count") > before
        assert seen.sum("shoal_ws_delivery_seconds_bucket", le="1.0") > before
        assert seen.sum("shoal_ws_dropped_total") == 0
    await wait_until_async(lambda: _scraped(api).sum("shoal_ws_clients") == 0, "nobody is left")


async def test_a_killed_process_takes_its_gauges_along(proven: RedisServer) -> None:
    """Of two processes, clients are added up; those of a killed one are not told by its successor.

    What it had counted is: the sum of submissions stays.
    """
    with running_api(proven.url, "-p", "2", ready="the API listens") as api:
        wait_until(lambda: api.process.stderr.count("the API listens") == 2, "both are up")
        for _ in range(20):
            api.submit("shared")
        async with live_client(api.ports):
            assert _scraped(api).sum("shoal_ws_clients") == 1
            assert len(_scraped(api).values("shoal_redis_up")) == 1
            for pid in api.process.children():
                os.kill(pid, signal.SIGKILL)
                wait_until(lambda p=pid: not psutil.pid_exists(p), "it is gone")  # type: ignore[misc]
        wait_until(lambda: api.process.stderr.count("the API listens") == 4, "both are back", 20)
        seen = _scraped(api)
        assert seen.sum("shoal_ws_clients") == 0
        assert seen.sum("shoal_tasks_submitted_total", type="shared") == 20
