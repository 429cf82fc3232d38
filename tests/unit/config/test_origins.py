"""Where a setting comes from."""

from pathlib import Path

from shoal.config import Settings
from shoal.config_origins import origins


def test_each_source_is_named_and_no_secret_is_shown(tmp_path: Path) -> None:
    """Environment, a secret's file, shoal.toml, an option, or the default."""
    file = tmp_path / "shoal.toml"
    file.write_text("max_retries = 7\n")
    secret = tmp_path / "key"
    secret.write_text("a-secret-that-nobody-sees")
    env = {"SHOAL_CONFIG": str(file), "API_PORT": "9000", "API_KEY_FILE": str(secret)}
    settings = Settings.load(env, file).replace(worker__concurrency=3)
    found = {one.name: (one.value, one.source) for one in origins(settings, env)}
    assert found["API_PORT"] == ("9000", "environment")
    assert found["API_KEY"] == ("set", str(secret))
    assert found["MAX_RETRIES"] == ("7", str(file))
    assert found["WORKER_CONCURRENCY"] == ("3", "command")
    assert found["SHOAL_NAMESPACE"] == ("shoal", "default")
    assert found["JWT_SECRET"] == ("not set", "default")
    assert "nobody-sees" not in repr(found)


def test_a_file_that_is_gone_is_no_fault(tmp_path: Path) -> None:
    """What holds is shown all the same."""
    rows = origins(Settings(), {"SHOAL_CONFIG": str(tmp_path / "none.toml")})
    assert {one.source for one in rows} == {"default"}
