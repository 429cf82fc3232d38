"""Makes ``docs/configuration.md`` from the table of settings: ``python -m shoal.config_docs``."""

from __future__ import annotations

import sys

from shoal.config_load import all_settings
from shoal.config_reload import BY_API

_TITLES = {
    "redis": "Redis",
    "worker": "Workers",
    "task": "Tasks",
    "limit": "Limits",
    "retention": "Retention",
    "api": "API",
    "encryption": "Encryption",
    "": "System",
}

_HEAD = """\
<!-- Made by `python -m shoal.config_docs`; change shoal/settings/ instead. -->
# Configuration

Every setting is read at the start, from the environment; where that is silent, from
`shoal.toml` in the current directory, or the file that `SHOAL_CONFIG` names. There the names are
the same, in upper or lower case: `worker_concurrency = 20`. An empty value counts as unset.
All problems are reported at once, each with what to write instead.

Durations are seconds or `250ms`, `5s`, `1h30m`; sizes are bytes or `512KiB`, `1MiB`.
Settings marked 🔒 are never shown, and may stand in a file of their own:
`JWT_SECRET_FILE=/run/secrets/jwt`.

Settings marked 🔄 are read again when a worker host or the API is told to reload
([how to operate](howto/operate.md#change-settings-of-a-running-host)); of a host they hold for its new
shards. All others need a restart. The environment of a running process can't be changed from outside, so what
you want to change that way belongs in `shoal.toml`.
"""


def configuration_page() -> str:
    """The whole page, Markdown."""
    groups: dict[str, list[str]] = {group: [] for group in _TITLES}
    for path, about, default in all_settings():
        if not about.name:
            continue
        shown = about.default_text or (
            "not set" if default is None else f"`{about.kind.show(default)}`"
        )
        marks = (" 🔒" if about.is_secret else "") + (" 🔄" if about.name in BY_API else "")
        group = path.partition("__")[0] if "__" in path else ""
        groups[group].append(
            f"| `{about.name}`{marks} | {about.kind.unit} | {shown} | {about.meaning} |"
        )
    head = "| name | kind and range | default | meaning |\n|---|---|---|---|"
    parts = [f"## {_TITLES[group]}\n\n{head}\n" + "\n".join(rows) for group, rows in groups.items()]
    return _HEAD + "\n" + "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(configuration_page())
