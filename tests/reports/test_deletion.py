"""Deleting jobs: nothing stays behind, whoever is at work on them."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts import audit
from accounts.errors import Refusal
from accounts.ownership import hold_owner
from reports import events, lifecycle, runner
from reports.lifecycle import orders
from reports.models import Attempt, Checkpoint, DepartmentTotal, Job, MonthTotal, RejectedRows
from reports.pipelines.sales import SalesPipeline
from tests.conftest import MakeUpload, append
from tests.files import sales_csv
from uploads.models import Part, Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
Finished = Callable[..., Job]
DATA = sales_csv(400, bad_every=10)
EVERYTHING = (Job, Upload, Part, Checkpoint, DepartmentTotal, MonthTotal, RejectedRows, Attempt)


def stored(files: Path) -> list[Path]:
    return [path for path in files.rglob("*") if path.is_file()]


def nothing_is_left(files: Path) -> bool:
    return not stored(files) and not any(model._default_manager.exists() for model in EVERYTHING)


def test_a_finished_job_goes_with_its_results_and_its_file(finished: Finished, files: Path) -> None:
    lifecycle.delete(finished(DATA))
    assert nothing_is_left(files)


def test_what_is_somebody_elses_stays(finished: Finished, stranger: Any, files: Path) -> None:
    kept, gone = finished(DATA, owner=stranger), finished(DATA)
    before = len(stored(files))
    lifecycle.delete(gone)
    assert len(stored(files)) == before / 2
    assert list(Job.objects.all()) == [kept]


def test_the_file_stays_until_its_last_job_goes(finished: Finished, files: Path) -> None:
    job = finished(DATA)
    again = lifecycle.run_again(job, {"amounts": True})
    lifecycle.delete(job)
    runner.run_all()
    again.refresh_from_db()
    assert again.status == "completed"
    lifecycle.delete(again)
    assert nothing_is_left(files)


def test_a_file_that_is_kept_outlasts_its_jobs(make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(DATA)
    Upload.objects.update(keep=True)
    runner.run_all()
    lifecycle.delete(upload.jobs.get())
    upload.refresh_from_db()
    assert upload.state == "complete"
    job = lifecycle.process(upload, {})
    runner.run_all()
    job.refresh_from_db()
    assert (job.status, job.rows) == ("completed", 400)
    assert {path.parent.parent.name for path in stored(files)} == {"uploads", "jobs"}
    lifecycle.delete(job)
    assert {path.parent.parent.name for path in stored(files)} == {"uploads"}


def test_a_file_is_processed_while_its_last_job_is_deleted_or_not_at_all(finished: Finished, files: Path) -> None:
    job = finished(DATA)
    upload = job.upload
    barrier = threading.Barrier(2)
    refusals: list[str] = []

    def process() -> None:
        barrier.wait(10)
        try:
            lifecycle.process(upload, {})
        except Refusal as refusal:
            refusals.append(refusal.code)
        finally:
            connection.close()

    def delete() -> None:
        barrier.wait(10)
        try:
            lifecycle.delete(job)
        finally:
            connection.close()

    threads = [threading.Thread(target=process), threading.Thread(target=delete)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    if refusals:
        assert refusals == ["upload_gone"]
        assert nothing_is_left(files)
        return
    runner.run_all()
    assert list(Job.objects.values_list("upload", "status")) == [(upload.pk, "completed")]


def test_a_deletion_is_noted_while_the_owner_is_held_who_waits_for_the_file(
    finished: Finished, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = finished(DATA)
    held = threading.Event()
    refusals: list[str] = []
    record = audit.record

    def holding(owner_id: int) -> Any:
        owner = hold_owner(owner_id)
        held.set()
        return owner

    def process() -> None:
        try:
            lifecycle.process(job.upload, {})
        except Refusal as refusal:
            refusals.append(refusal.code)
        finally:
            connection.close()

    second = threading.Thread(target=process)

    def recording(*args: Any, **kwargs: Any) -> None:
        second.start()
        # SQLite lets nobody begin to write meanwhile.
        held.wait(0.5 if connection.vendor == "sqlite" else 10)
        record(*args, **kwargs)

    monkeypatch.setattr(orders, "hold_owner", holding)
    monkeypatch.setattr(audit, "record", recording)
    lifecycle.delete(job)
    second.join(20)
    assert held.is_set()
    assert refusals == ["upload_gone"]
    assert nothing_is_left(files)


@pytest.mark.parametrize("step", ["fold", "finish"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_in_the_middle_of_it_leaves_nothing_behind(
    make_upload: MakeUpload, files: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    settings.WINDOW_BYTES = len(DATA) // 4
    job = make_upload(DATA, chunk=len(DATA) // 3).jobs.get()
    original = getattr(SalesPipeline, step)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        # In the second window, where there are a checkpoint and rejected rows already.
        if step == "fold" and args[2].rows == 0:
            return original(*args, **kwargs)
        if when == "before":
            lifecycle.delete(job)
            return original(*args, **kwargs)
        result = original(*args, **kwargs)
        lifecycle.delete(job)
        return result

    monkeypatch.setattr(SalesPipeline, step, interrupted)
    runner.run_all()
    assert nothing_is_left(files)


def test_a_chunk_that_is_on_its_way_finds_its_upload_gone(make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(DATA, chunk=len(DATA) // 2, whole=False)
    late = Upload.objects.get(pk=upload.pk)
    lifecycle.delete(upload.jobs.get())
    with pytest.raises(Refusal) as refused:
        append(late, DATA[upload.offset :])
    assert (refused.value.status, refused.value.code) == (410, "gone")
    assert nothing_is_left(files)


def test_two_jobs_of_one_file_deleted_at_once_leave_nothing(finished: Finished, files: Path) -> None:
    job = finished(DATA)
    jobs = [job, lifecycle.run_again(job, {})]
    barrier = threading.Barrier(len(jobs))

    def delete(job: Job) -> None:
        barrier.wait(10)
        try:
            lifecycle.delete(job)
        finally:
            connection.close()

    threads = [threading.Thread(target=delete, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert nothing_is_left(files)


def test_deleting_what_is_gone_does_nothing(finished: Finished) -> None:
    job = finished(DATA)
    lifecycle.delete(Job.objects.get())
    lifecycle.delete(job)


def test_a_deletion_is_announced_to_the_owners_pages(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, str]] = []
    monkeypatch.setattr(events, "_publish", lambda owner, message: told.append((owner, message["type"])))
    job = finished(DATA)
    owner = job.owner_id
    lifecycle.delete(job)
    assert told[-1] == (owner, "job.removed")
