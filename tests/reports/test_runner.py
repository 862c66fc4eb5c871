"""A worker at work: windows, results, and whatever goes wrong with a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from reports import checkpoints, lifecycle, runner, stopping
from reports.engine import Partial
from reports.models import Checkpoint, DepartmentTotal, Job
from reports.pipelines import pipeline_for
from tests.conftest import MakeUpload, append
from tests.files import HEADER, sales_csv
from tests.reports.engine import reference
from uploads.models import Part, Upload

pytestmark = pytest.mark.django_db(transaction=True)
Finished = Callable[..., Job]


def result_of(job: Job) -> str:
    with default_storage.open(job.result_name) as file:
        content: bytes = file.read()
    return content.decode()


def check_against_reference(job: Job, data: bytes) -> None:
    totals, rows, bad_rows = reference.aggregate(data)
    assert (job.status, job.rows, job.bad_rows, job.bytes_done) == ("completed", rows, bad_rows, len(data))
    assert {total.name: int(total.total) for total in job.totals.all()} == totals


@pytest.fixture(autouse=True)
def _small_windows(settings: Any) -> None:
    settings.WINDOW_BYTES = 2000


def test_a_file_becomes_a_result(finished: Finished) -> None:
    data = HEADER.encode() + b"Toys,2024-01-01,3\nBooks,2024-01-01,4\nToys,2024-01-02,5\nToys,never,1\n"
    job = finished(data)
    assert result_of(job) == "Department Name,Total Number of Sales\nBooks,4\nToys,8\n"
    assert list(job.totals.order_by("rank").values_list("rank", "name", "total")) == [
        (1, "Toys", "8"),
        (2, "Books", "4"),
    ]
    assert (job.rows, job.bad_rows, job.departments) == (4, 1, 2)
    assert job.started_at is not None
    assert job.finished_at is not None


@pytest.mark.parametrize("chunk", [1000, 777, 50_000])
def test_totals_are_exact_whatever_the_parts_and_windows(finished: Finished, chunk: int) -> None:
    data = sales_csv(2000, bad_every=13)
    check_against_reference(finished(data, chunk=chunk), data)


def test_the_names_in_a_result_are_quoted_where_they_must_be(finished: Finished) -> None:
    job = finished(HEADER.encode() + b'"A, ""B""",2024-01-01,3\n')
    assert result_of(job).splitlines()[1] == '"A, ""B""",3'


def test_folding_begins_while_the_upload_goes_on(make_upload: MakeUpload) -> None:
    data = sales_csv(1000)
    upload = make_upload(data, chunk=5000, whole=False)
    runner.run_all()
    job = Job.objects.get()
    assert job.status == "processing"
    assert upload.offset - 2000 < job.bytes_done <= upload.offset
    assert job.lease_until is None
    append(upload, data[upload.offset :])
    runner.run_all()
    check_against_reference(Job.objects.get(), data)


def test_a_worker_that_died_is_succeeded_from_the_last_checkpoint(make_upload: MakeUpload) -> None:
    data = sales_csv(1000, bad_every=3)
    make_upload(data)
    for _ in range(3):
        held = lifecycle.claim()
        assert held is not None
        job = held.rows().select_related("upload").get()
        runner._fold_window(held, job, 2000, final=False)
        Job.objects.update(lease_until=None)
    assert Job.objects.get().bytes_done > 3 * 1900
    runner.run_all()
    check_against_reference(Job.objects.get(), data)


def test_checkpoints_stay_few_and_are_gone_at_the_end(make_upload: MakeUpload, settings: Any) -> None:
    settings.WINDOW_BYTES = 200
    data = sales_csv(1000)
    upload = make_upload(data, chunk=len(data) - 1, whole=False)
    runner.run_all()
    job = Job.objects.get()
    windows = job.bytes_done // 200
    assert windows > checkpoints.FAN_IN**2
    kept = list(Checkpoint.objects.order_by("start").values_list("start", "end", "level"))
    assert len(kept) <= 3 * (checkpoints.FAN_IN - 1)
    assert [end for _, end, _ in kept] == [start for start, _, _ in kept[1:]] + [job.bytes_done]
    merged = Partial.decode(pipeline_for("sales").merge(checkpoints.states(job.pk)))
    assert merged.rows == job.rows
    append(upload, data[upload.offset :])
    runner.run_all()
    assert not Checkpoint.objects.exists()
    check_against_reference(Job.objects.get(), data)


def test_a_row_longer_than_a_window_is_read_whole(finished: Finished) -> None:
    data = HEADER.encode() + b'"' + b"x" * 3000 + b'",2024-01-01,3\n' + sales_csv(500)[len(HEADER) :]
    check_against_reference(finished(data), data)


def test_a_row_longer_than_a_window_waits_for_its_bytes_instead_of_being_tried_again_and_again(
    make_upload: MakeUpload,
) -> None:
    data = HEADER.encode() + b'"' + b"x" * 3500 + b'",2024-01-01,3\n' + b"A,2024-01-01,1\n" * 200
    upload = make_upload(data, chunk=2500, whole=False)
    sent = upload.offset
    Upload.objects.update(offset=2500)
    assert runner.run_all() == 1
    assert runner.run_all() == 0
    assert Job.objects.get().wanted_bytes == 4000
    Upload.objects.update(offset=sent)
    append(Upload.objects.get(), data[sent:])
    runner.run_all()
    check_against_reference(Job.objects.get(), data)


def test_a_result_whose_claim_was_lost_leaves_no_file(
    make_upload: MakeUpload, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_upload(sales_csv(10))
    finish = pipeline_for("sales").finish

    def cancelled_meanwhile(*args: Any, **kwargs: Any) -> Any:
        result = finish(*args, **kwargs)
        lifecycle.cancel(Job.objects.get())
        return result

    monkeypatch.setattr(pipeline_for("sales"), "finish", cancelled_meanwhile)
    runner.run_all()
    assert Job.objects.get().status == "cancelled"
    assert not list(files.glob("jobs/*/*"))


def test_a_header_longer_than_a_window_is_read_whole(finished: Finished) -> None:
    data = b"Dept,Sales," + b"x" * 2500 + b"\n" + b"A,1,\n" * 1000
    check_against_reference(finished(data), data)


def test_a_quote_that_is_never_closed_is_said_where_it_is(finished: Finished) -> None:
    job = finished(HEADER.encode() + b"A,2024-01-01,1\n" + b'"B,2024-01-01,2\n' + b"C,2024-01-01,3\n" * 1000)
    assert (job.status, job.error_code) == ("failed", "record_too_long")
    assert "quotation mark" in job.error


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        (b"", "empty_file", "is empty"),
        (b"\n\n", "empty_file", "is empty"),
        (b"a,b,c\n1,2,3\n", "missing_columns", "a, b, c"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 5000, "missing_columns", "No columns"),
        (b"\0\0\0", "not_csv", "does not look like a CSV"),
        (b"x" * 9000, "record_too_long", "does not end"),
    ],
)
def test_a_file_that_cannot_be_read_fails_with_what_to_do(
    finished: Finished, data: bytes, code: str, told: str
) -> None:
    job = finished(data)
    assert (job.status, job.error_code) == ("failed", code)
    assert told in job.error
    assert job.finished_at is not None


def test_a_file_of_a_header_alone_has_an_empty_result(finished: Finished) -> None:
    job = finished(HEADER.encode())
    assert (job.status, job.rows, job.departments) == ("completed", 0, 0)
    assert result_of(job) == "Department Name,Total Number of Sales\n"


def test_a_file_whose_rows_are_all_bad_has_an_empty_result(finished: Finished) -> None:
    job = finished(HEADER.encode() + b"A,2024-01-01,x\n" * 10)
    assert (job.status, job.rows, job.bad_rows, job.departments) == ("completed", 10, 10, 0)


def test_columns_named_in_the_options_are_used(make_upload: MakeUpload) -> None:
    upload = make_upload(b"abteilung,menge\nA,3\n")
    Job.objects.update(options={"columns": {"department": "abteilung", "sales": "menge"}})
    runner.run_all()
    assert upload.jobs.get().totals.get().total == "3"


def test_one_upload_can_be_run_again_with_other_options(finished: Finished) -> None:
    first = finished(b"Dept,Region,Sales\nA,North,3\nB,North,4\n")
    again = lifecycle.create(first.upload, options={"columns": {"department": "Region"}})
    runner.run_all()
    assert list(again.totals.values_list("name", "total")) == [("North", "7")]
    assert first.totals.count() == 2


def test_lost_bytes_fail_the_job_and_name_the_offset(make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(sales_csv(500), chunk=3000)
    (files / Part.objects.get(upload=upload, offset=6000).storage_name).unlink()
    runner.run_all()
    job = Job.objects.get()
    assert (job.status, job.error_code) == ("failed", "upload_damaged")
    assert "6000" in job.error


def test_a_worker_that_is_being_stopped_releases_its_job(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sales_csv(1000)
    make_upload(data)
    looks = iter([False, False, True])
    with monkeypatch.context() as patched:
        patched.setattr(stopping, "requested", lambda: next(looks, True))
        runner.run_all()
    job = Job.objects.get()
    assert (job.status, job.lease_until, job.attempt) == ("processing", None, 0)
    assert 0 < job.bytes_done < len(data)
    runner.run_all()
    check_against_reference(Job.objects.get(), data)


def test_a_job_cancelled_between_windows_stops_there(make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch) -> None:
    data = sales_csv(1000)
    make_upload(data)
    fold_window = runner._fold_window

    def cancel_after(*args: Any, **kwargs: Any) -> int:
        consumed = fold_window(*args, **kwargs)
        lifecycle.cancel(Job.objects.get())
        return consumed

    with monkeypatch.context() as patched:
        patched.setattr(runner, "_fold_window", cancel_after)
        runner.run_all()
    job = Job.objects.get()
    assert job.status == "cancelled"
    assert 0 < job.bytes_done <= 2000
    lifecycle.retry(job)
    runner.run_all()
    check_against_reference(Job.objects.get(), data)


def test_a_defect_in_a_pipeline_leaves_the_job_to_another_attempt(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = sales_csv(100)
    make_upload(data)

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(pipeline_for("sales"), "fold", broken)
        runner.run_all()
    job = Job.objects.get()
    assert (job.status, job.attempt) == ("processing", 1)
    assert "a defect" in caplog.text
    Job.objects.update(lease_until=None)
    runner.run_all()
    check_against_reference(Job.objects.get(), data)


def test_the_lease_is_renewed_while_a_window_takes_long(
    make_upload: MakeUpload, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    settings.LEASE_SECONDS = 0.3
    make_upload(sales_csv(100))
    renewals = threading.Semaphore(0)
    renew, fold = lifecycle.renew, pipeline_for("sales").fold

    def counted(held: lifecycle.Claim) -> bool:
        go_on = renew(held)
        renewals.release()
        return go_on

    def slow(*args: Any, **kwargs: Any) -> Any:
        for _ in range(5):
            assert renewals.acquire(timeout=10)
        assert lifecycle.claim() is None
        return fold(*args, **kwargs)

    monkeypatch.setattr(lifecycle, "renew", counted)
    monkeypatch.setattr(pipeline_for("sales"), "fold", slow)
    runner.run_all()
    assert Job.objects.get().status == "completed"
    assert DepartmentTotal.objects.count() == 5
