"""Only the user of our processes may read their data: in a new folder, and in one that an older version made."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import run_checks

from salesagg.core import private_files
from tests.services import Process
from tests.services.processes import ROOT, free_port


def environment(data: Path) -> dict[str, str]:
    names = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "STORAGE_URL")
    return {**os.environ, **dict.fromkeys(names, ""), "DATA_DIR": str(data), "STATIC_ROOT": str(data / "static")}


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()}


def serve(data: Path, log: Path) -> Process:
    env = environment(data) | {"PORT": str(free_port())}
    return Process(["sh", "-c", f"umask 022; exec {sys.executable} manage.py serve"], env=env, log=log)


def test_new_data_folder_is_private_while_the_server_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    process = serve(data, tmp_path / "log")
    try:
        process.wait_for_output("Salesagg is at")
        found = modes(data)
        assert {"db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm", "secret_key", "lock"} <= set(found)
        assert set(found.values()) == {0o600}
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
    finally:
        process.end()


def test_start_repairs_a_folder_that_an_older_version_made(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    for name in ("db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm", "secret_key"):
        (data / name).write_text("" if name.startswith("db") else "key")
        (data / name).chmod(0o644)
    subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environment(data),
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert set(modes(data).values()) == {0o600}
    assert (data / "secret_key").read_text() == "key"


def test_folder_that_everyone_shares_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    private_files.make_folder(shared)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777


def test_check_warns_of_an_env_file_that_everyone_can_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / ".env").write_text("SECRET_KEY=x\n")
    (tmp_path / ".env").chmod(0o640)
    assert "salesagg.W004" not in {message.id for message in run_checks()}
    (tmp_path / ".env").chmod(0o644)
    [warning] = [message for message in run_checks() if message.id == "salesagg.W004"]
    assert f"chmod 600 {tmp_path / '.env'}" in (warning.hint or "")
    tmp_path.chmod(0o700)
    assert "salesagg.W004" not in {message.id for message in run_checks()}


def test_check_takes_no_name_of_a_postgresql_database_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # The name is also that of a folder here.
    for name, value in (("ENGINE", "django.db.backends.postgresql"), ("NAME", "salesagg")):
        monkeypatch.setitem(settings.DATABASES["default"], name, value)
    assert "salesagg.W004" not in {message.id for message in run_checks()}
