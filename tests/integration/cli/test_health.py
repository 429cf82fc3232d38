"""``shoal health``: one line and a status, for a container's HEALTHCHECK."""

import socket
from pathlib import Path

import pytest

from shoal.errors import ExitStatus
from tests.support.api import Ports, running_api
from tests.support.ports import reserve_port
from tests.support.processes import shoal
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer
from tests.support.waiting import wait_until

MODULE = "from shoal import Shoal\napp = Shoal()\n"


def health(env: dict[str, str], *arguments: str) -> tuple[int, str]:
    """The status, and the one line."""
    with shoal("health", *arguments, env=env) as child:
        status = child.wait()
        said = child.stdout or child.stderr
        assert said.count("\n") == 1, said
        return status, said.strip()


def test_an_api_is_as_well_as_its_redis(proven: RedisServer) -> None:
    """0 while tasks can be accepted, also without a worker; 1 while Redis is away."""
    env = {"SHOAL_REDIS_TIMEOUT": "0.3s"}
    with Proxy(proven.port) as proxy, running_api(proxy.url, env=env) as api:
        wait_until(lambda: api.get("/health").status == 200, "it is well")
        status, line = health(api.ports.env)
        assert (status, line) == (ExitStatus.OK, "API: degraded (redis connected, workers 0)")
        proxy.down()
        wait_until(lambda: api.get("/health").status == 503, "Redis is away")
        status, line = health(api.ports.env)
        assert (status, line) == (1, "API: unhealthy (redis disconnected)")
        proxy.up()


def test_a_worker_is_well_when_it_can_claim(proven: RedisServer, tmp_path: Path) -> None:
    """Asked on SHOAL_METRICS_PORT; the API, which does not run here, does not count against it."""
    (tmp_path / "tasks.py").write_text(MODULE)
    with Ports() as ports, reserve_port() as metrics:
        env = {
            "REDIS_URL": proven.url,
            "SHOAL_SHARDS": "1",
            "SHOAL_METRICS_PORT": str(metrics.port),
            **ports.env,
        }
        assert health(env)[0] == 1
        with shoal("worker", "tasks:app", env=env, cwd=tmp_path) as worker:
            worker.wait_for_output("shard 0 is ready")
            wait_until(lambda: health(env)[0] == ExitStatus.OK, "it is ready")
            assert health(env, "--worker")[0] == ExitStatus.OK
            assert health(env)[1].startswith("worker: ")
            status, line = health(env, "--api")
            assert (status, line) == (1, f"API: nothing listens on port {ports.public}")
            worker.terminate()
            assert worker.wait() == ExitStatus.OK


def test_who_does_not_answer_is_not_well() -> None:
    """Within the time that was given."""
    with Ports() as ports, socket.create_server(("127.0.0.1", ports.public)):
        status, line = health(ports.env, "--timeout", "200ms")
        assert (status, line) == (1, f"API: no answer from port {ports.public} within 0.2 s")


@pytest.mark.parametrize("arguments", [("--timeout", "soon"), ("--worker",)])
def test_a_wrong_question_is_a_wrong_argument(arguments: tuple[str, ...]) -> None:
    """Not the status of something that is not well."""
    with Ports() as ports, shoal("health", *arguments, env=ports.env) as child:
        assert child.wait() == ExitStatus.CONFIGURATION
        assert "Traceback" not in child.stderr
