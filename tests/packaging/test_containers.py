"""The image and the composition: read by the real Compose, and run as processes of this machine.

There is no container engine in the suite. What a container would run is taken from the files, and
started here with the same command and environment; only addresses and ports are others.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from shoal.errors import ExitStatus
from shoal.model.duration import parse_duration
from tests.packaging.conftest import ROOT, build
from tests.packaging.test_wheel import package_files, tree_files
from tests.support.api import Client, Ports
from tests.support.ports import PortReservation, reserve_port
from tests.support.processes import ChildProcess, shoal
from tests.support.waiting import wait_until

TOOLS = Path(sys.executable).parent
SECRETS = {"API_KEY": "the-api-key-of-the-tests", "REDIS_PASSWORD": "the-password-of-the-tests"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def compose(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What Compose says of the file."""
    return subprocess.run(
        [str(TOOLS / "docker-compose"), "-f", str(ROOT / "docker-compose.yml"), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(ROOT / "no-home"), **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as Compose would run them."""
    run = compose("config", "--format", "json", env=SECRETS)
    assert not run.stderr, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)["services"]
    return found


def image_environment() -> dict[str, str]:
    """ENV of the image, but for PATH."""
    block = DOCKERFILE.rpartition("\nENV ")[2].partition("\nWORKDIR")[0]
    pairs = dict(word.split("=", 1) for word in block.replace("\\\n", " ").split())
    del pairs["PATH"]
    return pairs


@pytest.mark.parametrize("missing", SECRETS)
def test_without_a_secret_nothing_starts(missing: str) -> None:
    """Compose refuses, and names what is to be set; there is no default password."""
    run = compose("config", env={name: v for name, v in SECRETS.items() if name != missing})
    assert f"required variable {missing} is missing a value" in run.stderr
    assert not run.stdout
    default = r"\$\{(API_KEY|REDIS_PASSWORD)(?!:\?)"
    assert not re.search(default, (ROOT / "docker-compose.yml").read_text())


def test_any_number_of_workers_may_run(services: dict[str, Any]) -> None:
    """Nothing of a worker is fixed that two containers would share: no name, no id, no port."""
    worker = services["worker"]
    assert not {"container_name", "hostname", "ports"} & worker.keys()
    assert "WORKER_ID" not in {**worker["environment"], **image_environment()}


def test_a_stop_leaves_time_to_finish(services: dict[str, Any]) -> None:
    """The engine kills no sooner than Shoal gives up by itself."""
    worker = services["worker"]
    own_s = parse_duration(worker["environment"]["WORKER_SHUTDOWN_TIMEOUT"])
    assert parse_duration(worker["stop_grace_period"]) >= own_s + 5
    assert parse_duration(services["api"]["stop_grace_period"]) > 10


def test_containers_have_few_rights(services: dict[str, Any]) -> None:
    """Read-only files, no capability, no new privilege, no root."""
    for service in services.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert not service.get("privileged")
    assert "\nUSER 10001:10001\n" in DOCKERFILE
    assert services["redis"]["user"] == "redis"
    for port in services["api"]["ports"]:
        assert (port["target"] == 8081) == (port.get("host_ip") == "127.0.0.1")
    assert "ports" not in services["redis"]


class Composition:
    """The services as processes, each with the host name of a container of its own."""

    def __init__(self, services: dict[str, Any], folder: Path, stack: ExitStack) -> None:
        self._services = services
        self._folder = folder
        self._stack = stack
        self.ports = stack.enter_context(Ports())
        self._redis = self._port()
        self.redis_url = f"redis://:{SECRETS['REDIS_PASSWORD']}@127.0.0.1:{self._redis.port}"

    def _port(self) -> PortReservation:
        return self._stack.enter_context(reserve_port())

    def start_redis(self) -> None:
        """The server with that command line, in a folder of its own."""
        program, *arguments = self._services["redis"]["command"]
        binary = shutil.which(program)
        assert binary is not None, f"{program} is missing (apt-get install redis-server)"
        (self._folder / "data").mkdir()
        more = ["--port", str(self._redis.port), "--dir", str(self._folder / "data")]
        self._stack.enter_context(ChildProcess([binary, *arguments, *more]))
        client = self.client()
        wait_until(lambda: _answers(client), "Redis answers")

    def client(self) -> Any:
        """To that server."""
        client = redis.Redis.from_url(self.redis_url)
        self._stack.callback(client.close)
        return client

    def environment(self, service: str, metrics_port: int) -> dict[str, str]:
        """Of a container of this service; what listens or is connected to has another port here."""
        found = {**image_environment(), **self._services[service]["environment"]}
        address = found["REDIS_URL"].replace("redis:6379", f"127.0.0.1:{self._redis.port}")
        assert address != found["REDIS_URL"]
        here = {"REDIS_URL": address, "SHOAL_METRICS_PORT": str(metrics_port), **self.ports.env}
        # No name of the machine that runs the suite: the host's name is the container's.
        return {**found, **here}

    def start(self, service: str, name: str) -> tuple[ChildProcess, dict[str, str]]:
        """One container."""
        env = self.environment(service, self._port().port)
        child = shoal(*self._services[service]["command"], env=env, cwd=_app_folder(self._services))
        inner = f'hostname {name}; exec "$@"'
        child.command[:0] = [
            "unshare",
            "--user",
            "--map-root-user",
            "--uts",
            "sh",
            "-c",
            inner,
            "-",
        ]
        return self._stack.enter_context(child), env


def _app_folder(services: dict[str, Any]) -> Path:
    [volume] = services["worker"]["volumes"]
    assert (volume["target"], volume["read_only"]) == ("/app", True)
    return Path(volume["source"])


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.ConnectionError:
        return False


@pytest.fixture
def composition(services: dict[str, Any], tmp_path: Path) -> Iterator[Composition]:
    """Redis runs; the others can be started."""
    with ExitStack() as stack:
        made = Composition(services, tmp_path, stack)
        made.start_redis()
        yield made


@pytest.mark.timeout(120)
def test_the_services_work_together_with_three_workers(composition: Composition) -> None:
    """A task goes in by HTTP and its result comes out; each container is well and stops with 0."""
    settings = composition.client().config_get()
    assert settings["appendonly"] == "yes"
    assert settings["maxmemory-policy"] == "noeviction"
    running = [composition.start("api", "c0ffee0000aa")]
    running += [composition.start("worker", f"c0ffee00000{n}") for n in range(3)]
    for child, env in running:
        child.wait_for_output("the API listens" if child is running[0][0] else "is ready")
        check = json.loads(re.findall(r"HEALTHCHECK .* CMD (\[.*\])", DOCKERFILE)[0])

        def is_well(env: dict[str, str] = env, check: list[str] = check) -> bool:
            with shoal(*check[1:], env=env) as asked:
                return asked.wait() == ExitStatus.OK

        wait_until(is_well, "the health check is content", 20)

    client = Client(composition.ports, SECRETS["API_KEY"])
    task_id = client.submit("email.send", {"to": "ada@example.org", "subject": "Hello"})
    task = client.get(f"/api/v1/tasks/{task_id}?wait=20s").json
    assert (task["state"], task["result"]) == ("COMPLETED", {"sent_to": "ada@example.org"})
    hosts = {worker["host"] for worker in client.get("/admin/workers").json["workers"]}
    assert hosts == {f"c0ffee00000{n}" for n in range(3)}
    assert client.get("/health").json["workers"] >= 3

    for child, _ in running:
        child.terminate()
    for child, _ in running:
        assert child.wait() == ExitStatus.OK, child.stderr
        for secret in SECRETS.values():
            assert secret not in child.stderr
    with shoal("verify", env={"REDIS_URL": composition.redis_url}) as verify:
        assert verify.wait() == ExitStatus.OK, verify.stdout


def test_the_password_is_in_no_process_list(composition: Composition) -> None:
    """Redis gets it as an argument, and hides its arguments."""
    pid = composition.client().info("server")["process_id"]
    shown = Path(f"/proc/{pid}/cmdline").read_bytes()
    assert SECRETS["REDIS_PASSWORD"].encode() not in shown


def test_the_dockerfile_is_clean() -> None:
    """By its linter; and what runs is the command itself, with its arguments, and no shell."""
    run = subprocess.run(
        [str(TOOLS / "hadolint"), str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert 'ENTRYPOINT ["shoal"]' in DOCKERFILE
    assert f"STOPSIGNAL {signal.SIGTERM.name}" in DOCKERFILE


def test_the_build_is_given_all_it_needs(source_copy: Callable[[], Path], tmp_path: Path) -> None:
    """The wheel builds from what .dockerignore lets through and the first stage copies."""
    source = source_copy()
    stage = DOCKERFILE.partition("AS build")[2].partition("\nFROM ")[0]
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for line in re.findall(r"^COPY (.*)$", stage, re.MULTILINE):
        *names, target = line.removeprefix("--from=dashboard /source/").split()
        for name in names:
            # What an earlier stage has built stands in the tree already.
            assert name in let_through or line.startswith("--from=dashboard ")
            place = tmp_path / target if len(names) == 1 else tmp_path / name
            if target.endswith("/") and len(names) == 1:
                place.mkdir()
            if (source / name).is_dir():
                shutil.copytree(source / name, place, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(source / name, place)
    run = build(tmp_path, "--wheel")
    assert run.returncode == 0, run.stdout + run.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert package_files(wheel) == tree_files()


def test_the_readme_shows_the_application_that_runs() -> None:
    """Its example is the file in examples/quickstart, but for that file's docstring."""
    shown = (ROOT / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    file = (ROOT / "examples" / "quickstart" / "tasks.py").read_text()
    assert file.partition('"""\n\n')[2] == shown
