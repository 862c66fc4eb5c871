"""What a client was told is stored survives a loss of power."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.utils import ConnectionHandler

from reports import runner
from reports.models import Job
from salesagg import backends
from tests.conftest import MakeUpload
from tests.files import sales_csv
from uploads.models import Part

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def data(tmp_path: Path, settings: Any) -> Path:
    """The data folder of a server that syncs its files."""
    folder = tmp_path / "data"
    folder.mkdir()
    settings.STORAGES = settings.STORAGES | {"default": backends.file_storage("", folder)}
    return folder


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files and folders that are synced, by their paths, in order."""
    done: list[str] = []
    fsync = os.fsync

    def recorded(number: int) -> None:
        done.append(str(Path(f"/proc/self/fd/{number}").readlink()))
        fsync(number)

    monkeypatch.setattr(os, "fsync", recorded)
    return done


@contextmanager
def noting(steps: list[str], wanted: Callable[[str, Any], bool], name: str) -> Iterator[None]:
    """Note `name` among the steps before each statement that is `wanted`."""

    def execute(call: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if wanted(sql, params):
            steps.append(name)
        return call(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield


def test_a_part_and_its_folders_are_on_disk_before_its_offset(
    make_upload: MakeUpload, data: Path, steps: list[str]
) -> None:
    with noting(steps, lambda sql, _params: 'INTO "uploads_part"' in sql, "commit"):
        make_upload(b"123456", chunk=3)
    assert steps.count("commit") == 2
    for part in Part.objects.all():
        path = data / "files" / part.storage_name
        before = steps[: steps.index("commit")]
        needed = [path, path.parent, path.parent.parent, data / "files", data]
        assert before == [str(each) for each in needed]
        del steps[: len(before) + 1]


def test_results_and_rejected_rows_are_on_disk_before_the_job_ends(
    make_upload: MakeUpload, data: Path, steps: list[str]
) -> None:
    make_upload(sales_csv(50, bad_every=7))
    del steps[:]
    with noting(
        steps, lambda sql, params: sql.startswith("UPDATE") and Job.Status.COMPLETED in (params or ()), "completed"
    ):
        runner.run_all()
    job = Job.objects.get()
    before = steps[: steps.index("completed")]
    for name in (job.result_name, job.rejected.get().storage_name):
        path = data / "files" / name
        here = before.index(str(path))
        assert before[here + 1] == str(path.parent)


def test_a_setting_leaves_syncing_to_the_system(
    make_upload: MakeUpload, data: Path, settings: Any, steps: list[str]
) -> None:
    settings.STORAGES = settings.STORAGES | {"default": backends.file_storage("", data, sync=False)}
    make_upload(b"123")
    assert steps == []


@pytest.mark.parametrize(("sync", "level"), [(True, 2), (False, 1)])
def test_sqlite_syncs_each_commit(tmp_path: Path, sync: bool, level: int) -> None:
    handler = ConnectionHandler(backends.databases("", tmp_path, sync=sync))
    with handler["default"].cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone() == (level,)
    handler["default"].close()
