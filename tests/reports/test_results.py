"""Files of jobs that nobody needs any more."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reports import results
from reports.models import Job, RejectedRows
from tests.files import HEADER

pytestmark = pytest.mark.django_db(transaction=True)
DATA = f"{HEADER}Toys,2024-01-01,3\nToys,never,1\n".encode()


def age(files: Path) -> None:
    long_ago = time.time() - 24 * 3600
    for path in (files / "jobs").rglob("*"):
        os.utime(path, (long_ago, long_ago))


def test_files_that_no_row_names_are_removed_when_they_are_old(finished: Callable[..., Job], files: Path) -> None:
    job = finished(DATA)
    of_a_worker_that_died = files / f"jobs/{job.pk}/result-0.csv"
    of_a_job_that_is_gone = files / "jobs/gone/rejected-0-1.csv"
    of_a_worker_at_work = files / f"jobs/{job.pk}/rejected-9-2.csv"
    of_a_job_that_is_gone.parent.mkdir()
    for path in (of_a_worker_that_died, of_a_job_that_is_gone, of_a_worker_at_work):
        path.write_bytes(b"x")
    assert results.remove_orphans() == 0
    age(files)
    os.utime(of_a_worker_at_work)
    assert results.remove_orphans() == 2
    assert not of_a_worker_that_died.exists()
    assert not of_a_job_that_is_gone.exists()
    assert of_a_worker_at_work.exists()
    assert (files / job.result_name).exists()
    assert (files / RejectedRows.objects.get(job=job).storage_name).exists()


def test_where_nothing_was_ever_stored_nothing_is_removed(db: None) -> None:
    assert results.remove_orphans() == 0
