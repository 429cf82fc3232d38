"""Settings are read from the environment and a file, and all their problems are told at once."""

import dataclasses
from pathlib import Path

import pytest

from shoal.config import Settings
from shoal.config_load import all_settings
from shoal.errors import ConfigurationError, ExitStatus


def problems_of(env: dict[str, str], file: Path | None = None) -> list[str]:
    """What loading this complains of."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(env, file)
    assert caught.value.exit_status is ExitStatus.CONFIGURATION
    return caught.value.problems


def test_empty_environment_gives_the_defaults() -> None:
    """With nothing set, every setting has the default that its table says."""
    settings = Settings.load({})
    assert settings == Settings()
    assert settings.task.default_timeout_s == 300.0
    assert settings.task.max_payload_bytes == 1024 * 1024
    assert settings.partitions == 8
    assert settings.redis.url is None
    assert settings.redis.address == "redis://localhost:6379"


def test_every_default_is_accepted_by_its_own_kind() -> None:
    """What the docs show as a default can be written into the environment."""
    env = {
        about.name: about.kind.show(default)
        for _, about, default in all_settings()
        if about.name and default is not None and default != ()
    }
    assert Settings.load(env) == Settings()


def test_names_of_the_requirements_are_all_known() -> None:
    """Each setting whose name is fixed exists, and no two fields share a name."""
    names = [about.name for _, about, _ in all_settings() if about.name]
    assert len(names) == len(set(names))
    fixed = """REDIS_URL REDIS_PASSWORD REDIS_DB REDIS_POOL_SIZE API_PORT ADMIN_PORT JWT_SECRET
    API_KEY WORKER_ID WORKER_CONCURRENCY WORKER_HEARTBEAT_INTERVAL WORKER_SHUTDOWN_TIMEOUT
    MAX_QUEUE_SIZE TASK_RETENTION_DAYS DEFAULT_TASK_TIMEOUT MAX_RETRIES METRICS_ENABLED LOG_LEVEL
    SHOAL_SHARDS SHOAL_PARTITIONS SHOAL_NAMESPACE SHOAL_REDIS_TIMEOUT SHOAL_LEASE
    SHOAL_MAX_CRASHES SHOAL_TASK_RETENTION_COUNT SHOAL_MAX_SCHEDULED SHOAL_MAX_PAYLOAD
    SHOAL_MAX_TYPES SHOAL_MAX_QUEUES SHOAL_TOMBSTONE SHOAL_PRIORITY_MODE SHOAL_DURABILITY
    SHOAL_METRICS_PORT"""
    assert set(fixed.split()) <= set(names)


def test_values_are_read_in_the_forms_people_write() -> None:
    """Durations, sizes, switches, words and lists of names have their usual forms."""
    settings = Settings.load(
        {
            "WORKER_SHUTDOWN_TIMEOUT": "1m30s",
            "SHOAL_REDIS_TIMEOUT": "250ms",
            "DEFAULT_TASK_TIMEOUT": "45",
            "SHOAL_MAX_PAYLOAD": "512KiB",
            "SHOAL_MAX_MEMORY_PER_SHARD": "200MB",
            "METRICS_ENABLED": "No",
            "LOG_LEVEL": "WARNING",
            "SHOAL_QUEUES": "mail, reports,mail",
            "TASK_RETENTION_DAYS": "0.5",
            "WORKER_CONCURRENCY": "",
        }
    )
    assert settings.worker.shutdown_timeout_s == 90
    assert settings.redis.timeout_s == 0.25
    assert settings.task.default_timeout_s == 45
    assert settings.task.max_payload_bytes == 512 * 1024
    assert settings.worker.max_memory_per_shard == 200_000_000
    assert settings.metrics_enabled is False
    assert settings.log_level == "warning"
    assert settings.worker.queues == ("mail", "reports")
    assert settings.retention.days == 0.5
    assert settings.worker.concurrency == 10


def test_all_problems_are_reported_at_once() -> None:
    """Five mistakes give five lines, each naming its setting and what to write."""
    problems = problems_of(
        {
            "REDIS_URL": "http://localhost",
            "WORKER_CONCURRENCY": "many",
            "SHOAL_PARTITIONS": "4097",
            "SHOAL_LEASE": "1s",
            "SHOAL_PRIORITY_MODE": "fair",
        }
    )
    assert len(problems) == 5
    text = "\n".join(problems)
    assert "REDIS_URL must begin with redis://, rediss://, unix:// or redis+cluster://" in text
    assert "WORKER_CONCURRENCY must be a whole number from 1 to 10000, not 'many'" in text
    assert "SHOAL_PARTITIONS must be from 1 to 4096, not '4097'" in text
    assert "SHOAL_LEASE must be from 3s to 1h, not '1s'" in text
    assert "SHOAL_PRIORITY_MODE must be strict or weighted, not 'fair'" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOAL_LEASE", "2.9s"),
        ("WORKER_SHUTDOWN_TIMEOUT", "3s"),
        ("WORKER_CONCURRENCY", "0"),
        ("WORKER_CONCURRENCY", "10001"),
        ("WORKER_CONCURRENCY", "1e3"),
        ("WORKER_CONCURRENCY", "9" * 5000),
        ("SHOAL_PARTITIONS", "0"),
        ("SHOAL_PARTITIONS", "8.0"),
        ("MAX_RETRIES", "-1"),
        ("MAX_RETRIES", "100"),
        ("TASK_RETENTION_DAYS", "nan"),
        ("TASK_RETENTION_DAYS", "soon"),
        ("SHOAL_MAX_PAYLOAD", "1 terabyte"),
        ("SHOAL_MAX_PAYLOAD", "1GiB"),
        ("METRICS_ENABLED", "perhaps"),
        ("WORKER_ID", "has space"),
        ("SHOAL_NAMESPACE", "{x}"),
        ("SHOAL_QUEUES", "a:b"),
        ("API_PORT", "65536"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://host:99999"),
        ("REDIS_URL", "redis://host/first"),
        ("REDIS_URL", "unix://relative"),
    ],
)
def test_out_of_range_is_refused(name: str, value: str) -> None:
    """A value beyond its range or of another kind is one problem that names the setting."""
    [problem] = problems_of({name: value})
    assert problem.startswith(name)
    assert len(problem) < 250


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:secret@10.0.0.1:6380/3",
        "rediss://user:secret@redis.example.com:6379/0",
        "unix:///run/redis/redis.sock?db=2",
        "unix:///tmp/with%20space.sock",
        "redis+cluster://10.0.0.1:7000",
        "redis://[::1]:6379",
    ],
)
def test_the_four_kinds_of_address_are_accepted(url: str) -> None:
    """redis, rediss, unix and redis+cluster are all there is."""
    assert Settings.load({"REDIS_URL": url}).redis.url == url


def test_the_database_may_stand_in_the_url() -> None:
    """A database in the URL is the database; another one beside it is a problem."""
    assert Settings.load({"REDIS_URL": "redis://h/3"}).redis.db == 3
    assert Settings.load({"REDIS_URL": "unix:///s?db=2"}).redis.db == 2
    assert Settings.load({"REDIS_URL": "redis://h/3", "REDIS_DB": "3"}).redis.db == 3
    assert "REDIS_DB" in problems_of({"REDIS_URL": "redis://h/3", "REDIS_DB": "4"})[0]


def test_a_cluster_has_only_database_0() -> None:
    """Another database on a cluster is refused, wherever it is named."""
    assert "REDIS_DB" in problems_of({"REDIS_URL": "redis+cluster://h", "REDIS_DB": "1"})[0]
    assert "REDIS_DB" in problems_of({"REDIS_URL": "redis+cluster://h/1"})[0]


@pytest.mark.parametrize(
    "value", ["changeme", "admin-secret", " ChangeMe ", "changeme" * 4, "secret" * 8]
)
@pytest.mark.parametrize("name", ["JWT_SECRET", "API_KEY"])
def test_well_known_secrets_are_refused(name: str, value: str) -> None:
    """The defaults that everybody knows are refused, and not repeated."""
    [problem] = problems_of({name: value})
    assert problem.startswith(f"{name} is a well-known default")
    assert value not in problem


@pytest.mark.parametrize(("name", "least"), [("JWT_SECRET", 32), ("API_KEY", 16)])
def test_short_secrets_are_refused(name: str, least: int) -> None:
    """With how long they must be, and not repeated; bytes count, not characters."""
    short = "k" * (least - 1)
    [problem] = problems_of({name: short})
    assert f"at least {least} bytes" in problem
    assert short not in problem
    Settings.load({name: "é" * (least // 2)})


@pytest.mark.parametrize("value", ["example.com", "ftp://a", "https://a/b", "https://", "null"])
def test_origins_are_origins(value: str) -> None:
    """A scheme, a host, maybe a port, and nothing behind them."""
    assert "https://shoal.example.com" in problems_of({"SHOAL_ALLOWED_ORIGINS": value})[0]
    good = "https://a.example,http://b:8080"
    assert len(Settings.load({"SHOAL_ALLOWED_ORIGINS": good}).api.allowed_origins) == 2


def test_secrets_are_never_shown() -> None:
    """No secret stands in the settings' repr, nor in a complaint about it."""
    settings = Settings.load(
        {
            "REDIS_URL": "redis://user:canary1@h",
            "JWT_SECRET": "canary2" * 5,
            "API_KEY": "canary3" * 5,
        }
    )
    text = repr(settings) + str(settings) + repr(settings.redis) + repr(settings.api)
    assert "canary" not in text
    assert "redis://user:***@h" in text
    assert "canary" not in repr(Settings.load({"REDIS_PASSWORD": "canary"}))
    assert "canary" not in "".join(problems_of({"REDIS_URL": "htp://u:canary@h"}))


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    """NAME_FILE is read, without the newline at its end."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret" * 6 + "\n")
    assert Settings.load({"JWT_SECRET_FILE": str(secret)}).api.jwt_secret == "s3cret" * 6
    both = {"JWT_SECRET": "a" * 32, "JWT_SECRET_FILE": str(secret)}
    assert "both set" in problems_of(both)[0]
    assert "cannot read" in problems_of({"API_KEY_FILE": str(tmp_path / "none")})[0]
    secret.write_bytes(b"\xff")
    assert "UTF-8" in problems_of({"API_KEY_FILE": str(secret)})[0]


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """shoal.toml holds the same names in any case, and gives way to the environment."""
    file = tmp_path / "shoal.toml"
    file.write_text(
        'worker_concurrency = 20\nSHOAL_LEASE = "30s"\nmetrics_enabled = false\n'
        'SHOAL_QUEUES = ["a", "b"]\ntask_retention_days = 1.5\n'
    )
    settings = Settings.load({"WORKER_CONCURRENCY": "30"}, file)
    assert settings.worker.concurrency == 30
    assert settings.worker.lease_s == 30
    assert settings.metrics_enabled is False
    assert settings.worker.queues == ("a", "b")
    assert settings.retention.days == 1.5


def test_problems_of_the_file_name_it(tmp_path: Path) -> None:
    """A bad value, an unknown name and a file that is no TOML are each said with the file."""
    file = tmp_path / "shoal.toml"
    file.write_text("worker_concurency = 20\nSHOAL_LEASE = true\nWORKER_ID = 7\n")
    problems = problems_of({}, file)
    assert len(problems) == 3
    assert all(str(file) in problem for problem in problems)
    assert "did you mean WORKER_CONCURRENCY?" in problems[0]
    file.write_text("= =")
    assert "is no TOML" in problems_of({}, file)[0]
    assert "cannot read" in problems_of({}, tmp_path / "none.toml")[0]


def test_a_misspelt_name_in_the_environment_is_a_problem() -> None:
    """SHOAL_PARTITONS would be ignored in silence; what belongs to others is let be."""
    assert "did you mean SHOAL_PARTITIONS?" in problems_of({"SHOAL_PARTITONS": "4"})[0]
    Settings.load({"SHOAL_SERVICE_HOST": "10.0.0.1", "SHOAL_PORT": "tcp://10.0.0.1:80"})


def test_contradictions_are_found() -> None:
    """Settings that are each right but not together are refused."""
    assert "a third of" in problems_of({"SHOAL_REDIS_TIMEOUT": "6s"})[0]
    assert "API_PORT" in problems_of({"ADMIN_PORT": "8080"})[0]
    assert "SHOAL_METRICS_PORT" in problems_of({"SHOAL_METRICS_PORT": "8081"})[0]
    two = {"REDIS_URL": "redis://:a@h", "REDIS_PASSWORD": "b"}
    assert "both hold a password" in problems_of(two)[0]


def test_replace_checks_like_loading() -> None:
    """Command-line options go through the same checks, and None leaves a setting as it was."""
    settings = Settings.load({"WORKER_CONCURRENCY": "7"})
    changed = settings.replace(
        worker__concurrency="20", worker__queues="a,b", worker__shards=None, partitions=16
    )
    assert (changed.worker.concurrency, changed.worker.shards, changed.partitions) == (20, None, 16)
    assert changed.worker.queues == ("a", "b")
    assert settings.worker.concurrency == 7
    with pytest.raises(ConfigurationError) as caught:
        settings.replace(worker__concurrency=0, worker__queues="a:b", worker__burst="x")
    assert len(caught.value.problems) == 3
    with pytest.raises(TypeError, match="worker__speed"):
        settings.replace(worker__speed=1)


def test_settings_cannot_be_changed() -> None:
    """They are read once and handed down as they are."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().partitions = 4  # type: ignore[misc]


def test_from_environment_finds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """shoal.toml of the current directory is read, or the file that SHOAL_CONFIG names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKER_CONCURRENCY", raising=False)
    (tmp_path / "shoal.toml").write_text("worker_concurrency = 20")
    (tmp_path / "other.toml").write_text("worker_concurrency = 40")
    assert Settings.from_environment().worker.concurrency == 20
    monkeypatch.setenv("SHOAL_CONFIG", "other.toml")
    assert Settings.from_environment().worker.concurrency == 40


def test_the_worker_id_is_made_from_any_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host's name that is no worker id is made one."""
    for host, worker_id in (("web_1.example", "web_1.example"), ("-ü x", "x"), ("", "worker")):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        assert Settings().worker.id == worker_id
