"""What jobs make of a file counts against the quota as far as it is more than the file, and a full disk stops them."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from accounts import holdings
from accounts.errors import Refusal
from accounts.models import User
from reports import lifecycle, runner
from reports.models import Job, RejectedRows
from salesagg.core import disk
from tests.files import sales_csv
from uploads.storage import StorageFull

pytestmark = pytest.mark.django_db(transaction=True)
# A few kilobytes, of which every report has 40,000 rejected rows of the file's two bytes and a reason.
PACKED = gzip.compress(b"Department,Sales\nToys,3\n" + b"a\n" * 40_000)
Finished = Callable[..., Job]


def stored_files(job: Job) -> int:
    names = [job.result_name, *RejectedRows.objects.filter(job=job).values_list("storage_name", flat=True)]
    return sum(default_storage.size(name) for name in names)


def test_result_that_is_smaller_than_its_file_costs_nothing(finished: Finished, user: User) -> None:
    data = sales_csv(200)
    job = finished(data)
    assert job.stored_bytes == stored_files(job) > 0
    assert holdings.usage(user) == len(data)


def test_each_report_of_a_packed_file_counts_what_it_stores(finished: Finished, user: User) -> None:
    job = finished(PACKED, name="sales.csv.gz")
    assert job.stored_bytes == stored_files(job) > 100 * len(PACKED)
    assert holdings.usage(user) == job.stored_bytes
    again = lifecycle.run_again(job, {})
    runner.run_all()
    assert holdings.usage(user) == 2 * job.stored_bytes
    lifecycle.delete(again)
    assert holdings.usage(user) == job.stored_bytes


def test_file_is_not_processed_again_over_the_quota(finished: Finished, settings: Any) -> None:
    job = finished(PACKED, name="sales.csv.gz")
    settings.QUOTA_BYTES = job.stored_bytes - 1
    with pytest.raises(Refusal) as refused:
        lifecycle.run_again(job, {})
    assert (refused.value.code, refused.value.status) == ("quota_exceeded", 413)


def test_job_that_waited_until_the_quota_was_exceeded_fails(finished: Finished, settings: Any) -> None:
    job = finished(PACKED, name="sales.csv.gz")
    waiting = lifecycle.run_again(job, {})
    settings.QUOTA_BYTES = job.stored_bytes - 1
    runner.run_all()
    waiting.refresh_from_db()
    assert (waiting.status, waiting.error_code) == ("failed", "quota_exceeded")
    with pytest.raises(Refusal):
        lifecycle.retry(waiting)
    settings.QUOTA_BYTES = 10 * job.stored_bytes
    lifecycle.retry(waiting)
    runner.run_all()
    waiting.refresh_from_db()
    assert waiting.status == "completed"


def test_nearly_full_disk_takes_no_new_job(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    job = finished(sales_csv(50))
    monkeypatch.setattr(disk, "is_low", lambda **_options: True)
    with pytest.raises(StorageFull):
        lifecycle.run_again(job, {})
    Job.objects.update(status="failed")
    with pytest.raises(StorageFull):
        lifecycle.retry(job)


def test_job_waits_while_the_disk_is_nearly_full(
    make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, files: Path
) -> None:
    job = make_job(sales_csv(50))
    with monkeypatch.context() as full:
        full.setattr(disk, "is_low", lambda **_options: True)
        runner.run_all()
    job.refresh_from_db()
    assert (job.status, job.attempt) == ("processing", 0)
    assert not (files / "jobs").exists()
    Job.objects.update(lease_until="2020-01-01T00:00:00Z")
    runner.run_all()
    job.refresh_from_db()
    assert job.status == "completed"
