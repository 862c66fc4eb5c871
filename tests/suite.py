"""Run the checks and the tests, part after part: ``make test``.

With ``--all`` (``make test-all``) the tests marked `deep` run too.

A part that fails does not keep the others from running. At the end are the times, the slowest tests and what failed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

# Tests that are slower than this are listed by `--times`.
SLOW_SECONDS = 5.0
# Browser tests run apart: the browser's event loop and Django's database do not share a thread.
PROCESSES = ("tests/faults", "tests/load", "tests/deploy/test_rehearsal.py")
BROWSER = ("tests/e2e",)


@dataclass(frozen=True)
class Part:
    """Tests that one run of pytest makes: its arguments, and how many processes share them (0: the run's own)."""

    name: str
    arguments: tuple[str, ...]
    everything: tuple[str, ...]
    """The arguments with `--all`."""
    testers: int | None = None


PARTS = (
    Part(
        "in one process",
        arguments=("-m", "not deep", *(f"--ignore={path}" for path in (*PROCESSES, *BROWSER))),
        everything=tuple(f"--ignore={path}" for path in (*PROCESSES, *BROWSER)),
    ),
    Part(
        "on PostgreSQL and Redis",
        arguments=("--services", "-m", "services and not deep", "tests/accounts", "tests/uploads", "tests/reports"),
        everything=(
            *("--services", "--ignore=tests/reports/engine", "--ignore=tests/uploads/test_s3.py"),
            *("--ignore=tests/uploads/test_ranges.py", "tests/accounts", "tests/uploads", "tests/reports"),
        ),
    ),
    Part("real processes", arguments=("-m", "not deep", "tests/faults"), everything=("tests/faults", "tests/load")),
    Part(
        "the site of docker-compose.yml",
        arguments=("-m", "not deep", "tests/deploy/test_rehearsal.py"),
        everything=("tests/deploy/test_rehearsal.py",),
        # One site for all.
        testers=0,
    ),
    Part("in a browser", arguments=("-m", "not deep", *BROWSER), everything=BROWSER),
)


@dataclass(frozen=True)
class Outcome:
    name: str
    passed: bool
    seconds: float


@dataclass(frozen=True, order=True)
class Timed:
    """A test, and how long it took with its fixtures."""

    seconds: float
    name: str


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--all", action="store_true", help="run the tests marked deep, too")
    asked.add_argument("--times", action="store_true", help=f"list all tests over {SLOW_SECONDS:g} s")
    asked.add_argument("--testers", default=os.environ.get("TESTERS", "2"), help="processes that run tests (2)")
    options = asked.parse_args()
    outcomes = [ended("checks", ["make", "check"])]
    with tempfile.TemporaryDirectory(prefix="salesagg-times-") as folder:
        times = Path(folder)
        outcomes += [run(part, times / f"{part.name}.xml", options) for part in PARTS]
        report(outcomes, times_in(times), all_slow=options.times)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def run(part: Part, times: Path, options: argparse.Namespace) -> Outcome:
    testers = str(options.testers if part.testers is None else part.testers)
    chosen = part.everything if options.all else part.arguments
    command = [sys.executable, "-m", "pytest", "--quiet", "-n", testers, f"--junitxml={times}", *chosen]
    return ended(part.name, command, **({"API_EXAMPLES": "8"} if options.all else {}))


def ended(name: str, command: list[str], **env: str) -> Outcome:
    """Run a command to its end."""
    print(f"\n== {name}", flush=True)
    began = time.monotonic()
    code = subprocess.run(command, env=env | os.environ, check=False).returncode
    return Outcome(name, code == 0, time.monotonic() - began)


def times_in(folder: Path) -> list[Timed]:
    """The tests of all parts, the slowest first."""
    return sorted(
        (
            Timed(float(case.get("time", 0)), f"{case.get('classname')}::{case.get('name')}")
            for path in folder.iterdir()
            for case in ElementTree.parse(path).iter("testcase")  # noqa: S314  (of our own making)
        ),
        reverse=True,
    )


def report(outcomes: list[Outcome], tests: list[Timed], *, all_slow: bool) -> None:
    shown = [test for test in tests if test.seconds > SLOW_SECONDS] if all_slow else tests[:10]
    print("\nThe slowest tests:")
    for test in shown:
        print(f"  {test.seconds:6.1f} s  {test.name}")
    print()
    for outcome in outcomes:
        print(f"  {'passed' if outcome.passed else 'FAILED'} {outcome.seconds:6.0f} s  {outcome.name}")


if __name__ == "__main__":
    sys.exit(main())
