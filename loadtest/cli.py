"""The command line: which benchmark, on which server, how large, how often."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

from loadtest import drain, endtoend, pickup, submit
from loadtest.cells import CELLS
from loadtest.failure import LoadtestError
from loadtest.options import Options
from loadtest.proof import FINDINGS
from loadtest.report import Report
from loadtest.servers import BINARIES
from shoal.errors import ShoalError


class Benchmark(NamedTuple):
    """One benchmark: how it runs, the names of its cells, what it measures."""

    run: Callable[[Options], Report]
    cells: Sequence[str]
    about: str


PIPE_WIDTH: Final = 200
INTERRUPTED: Final = 130
BENCHMARKS: Final[Mapping[str, Benchmark]] = {
    "drain": Benchmark(drain.run, tuple(CELLS), "claim, run and settle what waits"),
    "submit": Benchmark(submit.run, submit.CELLS, "submit from one process, no worker"),
    "pickup": Benchmark(pickup.run, tuple(pickup.CELLS), "from submit to the handler's start"),
    "endtoend": Benchmark(
        endtoend.run, endtoend.ALL_CELLS, "submit and process at once, at a set rate"
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark, print its table, write its JSON.

    Returns:
        The exit status: 0; 1 when nothing could be measured, or what was measured is
        not right; 130 when it was interrupted.
    """
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if getattr(parsed, "prototype", None) is not None and "://" in parsed.server:
        parser.error("--prototype empties its server: it takes an own one, not a URL")
    chosen = BENCHMARKS[parsed.benchmark]
    options = Options(
        server=parsed.server,
        say=lambda line: print(line, file=sys.stderr, flush=True),
        tasks=parsed.tasks,
        only=tuple(parsed.only or ()),
        rate=getattr(parsed, "rate", None),
        runs=parsed.runs,
        prototype=getattr(parsed, "prototype", None),
        scripts=getattr(parsed, "scripts", False),
    )
    # As for Ctrl-C: what was started is stopped and its folders are removed.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        report = chosen.run(options)
    except (LoadtestError, ShoalError) as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("loadtest: interrupted", file=sys.stderr)
        return INTERRUPTED
    # Written first: a console that cannot print must not lose what took minutes to measure.
    if parsed.json is not None:
        report.write_json(parsed.json)
    # Where nobody's window sets the width, lines are as long as the table needs.
    report.print(Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH))
    return 1 if any(run.get(FINDINGS) for run in report.runs) else 0


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest", description="Measure Shoal from outside."
    )
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    for name, benchmark in BENCHMARKS.items():
        sub = benchmarks.add_parser(name, help=benchmark.about, description=benchmark.about)
        sub.add_argument("--json", type=Path, metavar="FILE", help="write the report there as JSON")
        sub.add_argument(
            "--only",
            action="append",
            choices=benchmark.cells,
            help="this cell only; may be repeated",
        )
        sub.add_argument("--tasks", type=positive, metavar="N", help="tasks a cell")
        sub.add_argument(
            "--server",
            default="redis7",
            metavar="SERVER",
            help=f"{', '.join(BINARIES)}: an own one; or a URL (default redis7)",
        )
        sub.add_argument(
            "--runs", type=positive, default=1, help="measure each cell so often, report medians"
        )
        if name == "endtoend":
            sub.add_argument("--rate", type=positive, metavar="N", help="tasks a second")
        if name == "drain":
            sub.add_argument(
                "--scripts",
                action="store_true",
                help="count script calls by verb for a second in mid-run, which slows it",
            )
            sub.add_argument(
                "--prototype",
                type=Path,
                metavar="DIR",
                help="where hotpath.py is, to run it beside",
            )
    return parser


def positive(text: str) -> int:
    """A whole number above 0, for argparse; ``_`` may group its digits."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number
