"""The soak in short: see `tests.soak`. `make soak` runs it for an hour."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.processes import ROOT

pytestmark = pytest.mark.deep


@pytest.mark.timeout(400)
def test_nothing_is_lost_doubled_or_stuck_while_processes_are_killed(tmp_path: Path) -> None:
    short = {"SOAK_MINUTES": "0.5", "SOAK_MEGABYTES": "1", "SOAK_KILL_SECONDS": "6", "SOAK_PEOPLE": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak"],
        cwd=ROOT,
        env=os.environ | short | {"SOAK_FOLDER": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=360,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.splitlines()[-4]
    assert "1 Postgres restarted, 1 Redis restarted" in told
    assert int(told.split(" exact")[0].rpartition(" ")[2]) >= 3
