"""The command line, as a shell runs it."""

import csv
import gzip
import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.files import HEADER, sales_csv
from tests.reports.engine import reference
from tests.services.processes import ROOT


def run(*arguments: str, stdin: bytes = b"", check: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Run it without Django, a database or settings in sight."""
    command = [sys.executable, "-m", "reports.engine", *arguments]
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(command, input=stdin, capture_output=True, cwd=ROOT, env=clean, timeout=60, check=False)
    assert done.returncode == check, done.stderr.decode()
    return done


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_bytes(sales_csv(1000, bad_every=10))
    return path


def test_it_prints_the_result_and_tells_what_it_did(sales: Path) -> None:
    done = run(str(sales))
    printed = list(csv.reader(done.stdout.decode().splitlines()))
    expected = reference.aggregate(sales.read_bytes())
    assert printed[0] == ["Department Name", "Total Number of Sales"]
    assert {(name,): int(total) for name, total in printed[1:]} == {
        names: total for names, (total, _) in expected.departments.items()
    }
    assert b"1,000 rows, 100 rejected" in done.stderr


def test_rejected_rows_go_to_the_file_asked_for(sales: Path, tmp_path: Path) -> None:
    run(str(sales), "--rejected", str(tmp_path / "rejected.csv"))
    rejected = list(csv.reader((tmp_path / "rejected.csv").read_text().splitlines()))
    assert rejected[0] == ["rowNumber", "Department Name", "Date", "Number of Sales", "error"]
    assert rejected[1:] == reference.aggregate(sales.read_bytes()).rejected


def test_rows_are_added_up_by_the_columns_asked_for_amounts_included(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text('Region;Shop;Day;Takings\nN;"A;1";2024-01-01;1.50\nN;B;2024-01-02;-0.25\nN;B;2024-02-02;1\n')
    names = ("--sales", "takings", "--date", "day")
    printed = run(str(path), "--amounts", "--by", "Region", "Shop", *names).stdout.decode()
    assert printed == "Region,Shop,Total Number of Sales\nN,A;1,1.50\nN,B,0.75\n"
    told = json.loads(run(str(path), "--amounts", "--json", "--by", "Region", *names).stdout)
    assert told["departments"] == [{"names": ["N"], "sales": "2.25", "rows": 3}]
    assert [month["month"] for month in told["months"]] == ["2024-01", "2024-02"]
    assert (told["rows"], told["rejectedRows"], told["encoding"]) == (3, 0, "utf-8")


def test_it_reads_packed_files_and_standard_input(sales: Path, tmp_path: Path) -> None:
    packed = tmp_path / "sales.csv.gz"
    packed.write_bytes(gzip.compress(sales.read_bytes()))
    plain = run(str(sales)).stdout
    assert run(str(packed)).stdout == plain
    assert run("-", stdin=sales.read_bytes()).stdout == plain
    assert run("-", stdin=packed.read_bytes()).stdout == plain


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "is empty"), (b"a,b\n1,2\n", "No columns"), (gzip.compress(HEADER.encode())[:-9], "ends in the middle")],
    ids=["empty", "without the columns", "packed and cut off"],
)
def test_a_file_that_makes_no_sense_is_an_error_in_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    done = run(str(path), check=1)
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"error: {path}: ")
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_file_that_is_not_there_is_an_error_in_one_line() -> None:
    assert run("/nowhere.csv", check=1).stderr == b"error: /nowhere.csv: No such file or directory\n"


def test_a_report_that_cannot_be_written_is_said_before_the_work(sales: Path) -> None:
    assert b"error: /nowhere/x.csv" in run(str(sales), "--rejected", "/nowhere/x.csv", check=1).stderr


@pytest.mark.parametrize("wrong", [[], ["x", "--threads", "0"], ["x", "--nonsense"]])
def test_wrong_usage_has_an_exit_code_of_its_own(wrong: list[str]) -> None:
    assert b"usage:" in run(*wrong, check=2).stderr


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text(HEADER + "".join(f"{number},2024-01-01,1\n" for number in range(100_000)))
    script = f"{sys.executable} -m reports.engine {path} | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, cwd=ROOT, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"Department Name,Total Number of Sales\n")
    assert b"Traceback" not in done.stderr


def test_on_a_terminal_it_shows_how_far_it_is(sales: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen(
        [sys.executable, "-m", "reports.engine", str(sales)], stdout=subprocess.DEVNULL, stderr=theirs, cwd=ROOT
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 1024):
            shown += piece
    except OSError:
        pass  # the terminal's other end is closed
    os.close(ours)
    assert process.wait(timeout=60) == 0
    assert b"%|" in shown
    assert b"1,000 rows" in shown
