"""The dashboard's built files, made once where a test needs them."""

import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT

STATIC: Path = ROOT / "api" / "static"


def build_dashboard() -> None:
    """Build it, unless what is there was built from the same sources; needs Node."""
    script = ROOT / "scripts" / "build_dashboard.py"
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
