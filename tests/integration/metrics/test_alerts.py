"""The alert rules: each fires when it should and not when it should not, by promtool itself."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from scripts.alerts import ALERTS, FILES, FOLDER, Alert
from scripts.metrics_page import names


def _promtool(*arguments: str | Path, cwd: Path) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_files_are_what_the_script_writes() -> None:
    """Rules and runbook are those of the table."""
    for path, content in FILES.items():
        assert path.read_text() == content(), f"run scripts/alerts.py: {path}"


def test_promtool_takes_configuration_and_rules() -> None:
    """The real tool finds nothing wrong with the files as they are shipped."""
    _promtool("check", "config", "prometheus.yml", cwd=FOLDER)
    _promtool("check", "rules", "alerts.yml", cwd=FOLDER)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_rule_names_metrics_that_there_are(alert: Alert) -> None:
    """No rule waits for a metric that nobody tells."""
    named = set(re.findall(r"\bshoal_\w+", alert.expr))
    assert named <= names()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_fires_and_rests(alert: Alert, tmp_path: Path) -> None:
    """On what it is about it fires, after its time; on what looks like it, it does not."""
    at = "80m" if alert.wait == "1h" else "40m"
    tests = []
    for series, fires in ((alert.fires, True), (alert.rests, False)):
        query = f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"}})'
        tests.append(
            {
                "interval": "1m",
                "input_series": [{"series": s, "values": v} for s, v in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f"{query} > bool 0",
                        "eval_time": at,
                        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                    }
                ],
            }
        )
    document = {"rule_files": [str(FOLDER / "alerts.yml")], "evaluation_interval": "1m"}
    path = tmp_path / "test.yml"
    path.write_text(json.dumps({**document, "tests": tests}))
    _promtool("test", "rules", path.name, cwd=tmp_path)
