"""``shoal health``: is what runs on this host well? Made for a container's HEALTHCHECK."""

from __future__ import annotations

import contextlib
import http.client
import json
from dataclasses import dataclass

import click

from shoal.config import Settings
from shoal.errors import ConfigurationError, ExitStatus
from shoal.model.duration import parse_duration

#: What is said of a body at most.
_SHOWN_BYTES = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What one process said; ``is_well`` ``None`` = nothing listens on its port."""

    who: str
    is_well: bool | None
    words: str


@click.command()
@click.option("--api", "only", flag_value="api", help="Only the API; it must run here.")
@click.option("--worker", "only", flag_value="worker", help="Only the worker; it must run here.")
@click.option(
    "--timeout", default="3s", show_default=True, metavar="TIME", help="How long each may take."
)
def health(only: str | None, timeout: str) -> int:
    """Ask what runs on this host whether it is well; 0 = yes, 1 = no.

    Asks the API on API_PORT (/health) and the worker on SHOAL_METRICS_PORT (/readyz). At least
    one must run here, and each that does must be well.
    """
    try:
        timeout_s = parse_duration(timeout)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timeout") from None
    settings = Settings.from_environment()
    answers: list[Answer] = []
    if only != "worker":
        host = settings.api.host or "127.0.0.1"
        answers.append(_ask("API", host, settings.api.api_port, "/health", timeout_s))
    port = settings.worker.metrics_port
    if port is not None and only != "api":
        answers.append(_ask("worker", "127.0.0.1", port, "/readyz", timeout_s))
    elif only == "worker":
        raise ConfigurationError("SHOAL_METRICS_PORT is not set, so a worker can't be asked")
    seen = [answer for answer in answers if answer.is_well is not None] or answers
    is_well = all(answer.is_well for answer in seen)
    click.echo("; ".join(f"{answer.who}: {answer.words}" for answer in seen))
    return ExitStatus.OK if is_well else ExitStatus.VERIFY_FAILED


def _ask(who: str, host: str, port: int, path: str, timeout_s: float) -> Answer:
    # The address of a socket that listens everywhere is none to connect to on every system.
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read(_SHOWN_BYTES)
        except ConnectionRefusedError:
            return Answer(who, None, f"nothing listens on port {port}")
        except TimeoutError:
            return Answer(who, False, f"no answer from port {port} within {timeout_s:g} s")
        except (OSError, http.client.HTTPException) as error:
            return Answer(who, False, f"port {port} can't be asked: {error}")
    return Answer(who, response.status == 200, _words(body))


def _words(body: bytes) -> str:
    """The body in one line; JSON without its signs."""
    text = " ".join(body.decode("utf-8", "replace").split())
    try:
        document = json.loads(text)
    except ValueError:
        return text
    if not isinstance(document, dict):
        return text
    status = document.pop("status", "")
    rest = ", ".join(f"{name} {value}" for name, value in document.items() if value is not None)
    return f"{status} ({rest})" if rest else str(status)
