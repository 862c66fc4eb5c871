"""What the client says to wrong arguments, and what it needs: nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from salesagg.client import cli
from tests.services.processes import ROOT

TOKEN = ["--token", "salesagg_x"]


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SALESAGG_URL", "SALESAGG_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice"),
        (["upload", *TOKEN], "FILE"),
        (["upload", "x.csv"], "Name an API token"),
        (["upload", "x.csv", "--token", "  "], "Name an API token"),
        (["upload", "x.csv", "--token", "a\nb"], "characters that no token has"),
        (["upload", "x.csv", "--token", "schlüssel"], "characters that no token has"),
        (["upload", "x.csv", *TOKEN, "--url", "localhost:8000"], "no address of a site"),
        (["upload", "x.csv", *TOKEN, "--url", "ftp://localhost"], "no address of a site"),
        (["upload", "x.csv", *TOKEN, "--url", "http://"], "no address of a site"),
        (["upload", "x.csv", *TOKEN, "--output", "x.txt"], "must end in .csv, .xlsx, .json or .parquet"),
        (["upload", "x.csv", *TOKEN, "--keep", "--strict"], "With --keep there is no report"),
        (["upload", "x.csv", *TOKEN, "--column", "email"], "email is not like email=Mail"),
        (["upload", "x.csv", *TOKEN, "--column", "=Mail"], "=Mail is not like email=Mail"),
        (["watch", "7", *TOKEN], "no job's id"),
        (["undo", "7", *TOKEN], "no job's id"),
        (["jobs", "--limit", "0", *TOKEN], "from 1 to 200"),
        (["jobs", "--limit", "many", *TOKEN], "invalid"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.out == ""


def test_it_needs_no_settings_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "salesagg.client", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert "exit codes:" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_its_modules_import_neither_django_nor_settings(tmp_path: Path) -> None:
    code = (
        "import sys, salesagg.client.commands;"
        "print([name for name in sys.modules if name in ('salesagg.settings', 'reports', 'django.db')])"
    )
    env = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert list(tmp_path.iterdir()) == []


def test_the_formats_are_those_of_the_site() -> None:
    from reports.formats import FORMATS

    assert set(cli.FORMATS) == set(FORMATS)


def test_the_page_about_it_has_every_exit_code() -> None:
    page = (ROOT / "docs" / "client.md").read_text()
    for code in (0, 1, 2, 3, 4, 5, 6, 130):
        assert f"| {code} |" in page
        assert f"  {code}  " in cli.EPILOG
