"""A backup is made while people work, and a server starts from it with everything that was committed."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
import requests

from salesagg.core import backups
from tests.files import totals_by_csv, write_sales
from tests.services.processes import ROOT, wait_until
from tests.services.site import Site
from tests.services.tus import uploading


def database_in(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE named (file TEXT)")
    return path


def test_backup_of_a_running_server_starts_with_its_reports(tmp_path: Path) -> None:
    site = Site(tmp_path)
    token = site.prepare()
    headers = {"Authorization": f"Bearer {token}"}
    path = write_sales(tmp_path / "sales.csv", 300_000)
    try:
        address = site.serve()
        with uploading(address, token, path, chunk=100_000) as uploader:
            uploader.upload()
        jobs = wait_until(
            lambda: [
                job
                for job in requests.get(f"{address}/api/jobs", headers=headers, timeout=20).json()["items"]
                if job["status"] == "completed"
            ],
            what="the job's end",
            timeout=100,
        )
        said = site.manage("backup", str(tmp_path / "copy"))
        assert f"make run DATA_DIR={tmp_path / 'copy'}" in said
    finally:
        site.end()
    copy = Site(tmp_path / "elsewhere", DATA_DIR=str(tmp_path / "copy"))
    copy.folder.mkdir()
    try:
        address = copy.serve()
        result = requests.get(f"{address}/api/jobs/{jobs[0]['jobId']}/result.csv", headers=headers, timeout=20)
        lines = result.text.splitlines()[1:]
        assert {line.rpartition(",")[0]: int(line.rpartition(",")[2]) for line in lines} == totals_by_csv(path)[0]
    finally:
        copy.end()


def test_backup_is_for_its_owner_alone(tmp_path: Path) -> None:
    files = tmp_path / "files"
    (files / "a").mkdir(parents=True)
    (files / "a" / "part").write_bytes(b"x")
    (files / "a" / "part").chmod(0o644)
    (tmp_path / "key").write_text("key")
    backups.make(tmp_path / "copy", database=database_in(tmp_path / "db"), files=files, key=tmp_path / "key")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_links_and_pipes_are_left_out_of_the_backup(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A person who may write into a folder of imports could stop all backups, or have any file copied."""
    files = tmp_path / "files"
    (files / "imports").mkdir(parents=True)
    (files / "imports" / "sales.csv").write_bytes(b"x")
    (tmp_path / "key").write_text("key")
    (files / "imports" / "link.csv").symlink_to(tmp_path / "key")
    (files / "imports" / "folder").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(files / "imports" / "pipe.csv")
    backups.make(tmp_path / "copy", database=database_in(tmp_path / "db"), files=files, key=tmp_path / "key")
    assert [path.name for path in (tmp_path / "copy" / "files" / "imports").iterdir()] == ["sales.csv"]
    assert "pipe.csv" in caplog.text


def test_every_file_that_the_copied_database_names_is_in_the_backup(tmp_path: Path) -> None:
    database, files = database_in(tmp_path / "db"), tmp_path / "files"
    files.mkdir()
    stop = threading.Event()
    written = threading.Event()

    def work() -> None:
        # As the product does: a file first, then its row; at the end the row first, then the file.
        with closing(sqlite3.connect(database, timeout=20)) as connection:
            for number in range(1_000_000):
                (files / str(number)).write_bytes(b"content")
                with connection:
                    connection.execute("INSERT INTO named VALUES (?)", [str(number)])
                if number == 20:
                    written.set()
                if stop.is_set():
                    return

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert written.wait(60)
        backups.make(tmp_path / "copy", database=database, files=files, key=tmp_path / "none")
    finally:
        stop.set()
        worker.join(60)
    with closing(sqlite3.connect(tmp_path / "copy" / "db.sqlite3")) as connection:
        named = [row[0] for row in connection.execute("SELECT file FROM named")]
    assert len(named) > 20
    assert [name for name in named if (tmp_path / "copy" / "files" / name).read_bytes() != b"content"] == []


def test_file_that_is_deleted_after_the_database_was_copied_is_in_the_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, files = database_in(tmp_path / "db"), tmp_path / "files"
    files.mkdir()
    (files / "report").write_bytes(b"content")
    copy_database = backups._copy_database

    def then_delete(source: Path, target: Path) -> None:
        copy_database(source, target)
        (files / "report").unlink()
        (files / "later").write_bytes(b"new")

    monkeypatch.setattr(backups, "_copy_database", then_delete)
    backups.make(tmp_path / "copy", database=database, files=files, key=tmp_path / "none")
    assert {path.name: path.read_bytes() for path in (tmp_path / "copy" / "files").iterdir()} == {
        "report": b"content",
        "later": b"new",
    }


def test_backup_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"this is no database, and longer than a header" * 100)
    (tmp_path / "files").mkdir()
    with pytest.raises(sqlite3.Error):
        backups.make(tmp_path / "copy", database=tmp_path / "db", files=tmp_path / "files", key=tmp_path / "none")
    assert {path.name for path in tmp_path.iterdir()} == {"db", "files"}


def test_folder_that_exists_and_a_postgresql_database_are_refused_in_a_sentence(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (tmp_path / "there").mkdir()
    for env, sentence in (
        ({}, "exists already. Name a new folder."),
        ({"DATABASE_URL": "postgres://db/sales", "REDIS_URL": "redis://cache"}, "pg_dump"),
    ):
        done = subprocess.run(
            [sys.executable, "manage.py", "backup", str(tmp_path / "there")],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", **site.env, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
