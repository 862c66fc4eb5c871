"""A worker at work: windows, results, and whatever goes wrong with a file."""

import csv
import gzip
import io
import threading
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db.backends.signals import connection_created

from accounts import metrics
from accounts.models import User
from reports import checkpoints, downloads, lifecycle, results, runner, sources, stopping, windows
from reports.engine import Partial
from reports.models import Checkpoint, DepartmentTotal, Job
from reports.pipelines import FoldedWindow, pipeline_for
from reports.windows import Folded, Windows
from tests.conftest import MakeUpload, append, b64
from tests.files import HEADER, sales_csv
from tests.reports.engine import reference
from uploads import lifecycle as uploads
from uploads.models import Part, Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
Finished = Callable[..., Job]


def result_of(job: Job) -> str:
    with default_storage.open(job.result_name) as file:
        content: bytes = file.read()
    return content.decode()


def rejected_rows(job: Job) -> list[list[str]]:
    """The report of rejected rows, as it is downloaded."""
    content = b"".join(downloads.rejected_chunks(job))
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def check_against_reference(job: Job, data: bytes) -> None:
    expected = reference.aggregate(data, longest=settings.MAX_RECORD_BYTES)
    assert (job.status, job.rows, job.bad_rows) == ("completed", expected.rows, len(expected.rejected))
    assert (job.position, job.bytes_done) == (len(data), job.upload.length)
    assert {(total.name,): (Decimal(total.total), total.rows) for total in job.totals.all()} == expected.departments
    assert {month.month: (Decimal(month.total), month.rows) for month in job.months.all()} == expected.months
    assert rejected_rows(job)[1:] == expected.rejected


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
        with Windows(job) as opened:
            folded = opened.next()
            assert folded is not None
            runner._commit(held, folded)
        Job.objects.update(lease_until=None)
    assert Job.objects.get().bytes_done > 3 * 1900
    runner.run_all()
    check_against_reference(Job.objects.get(), data)


def sizes_of_windows(job: Job) -> list[int]:
    sizes = []
    with Windows(job) as found:
        while (folded := found.next()) is not None:
            sizes.append(folded.end - folded.start)
    return sizes


def test_windows_grow_while_they_are_folded_quickly(
    make_job: Callable[..., Job], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WINDOW_BYTES = 8000
    monkeypatch.setattr(windows, "FIRST_BYTES", 1000)
    sizes = sizes_of_windows(make_job(sales_csv(1000)))
    assert [round(size, -3) for size in sizes[:5]] == [1000, 2000, 4000, 8000, 8000]


def test_windows_shrink_while_they_are_folded_slowly(
    make_job: Callable[..., Job], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window of numbers that only Python can read takes a minute, in which the job cannot be cancelled."""
    settings.WINDOW_BYTES = 8000
    monkeypatch.setattr(windows, "LEAST_BYTES", 500)
    for limit in ("QUICK_SECONDS", "SLOW_SECONDS"):
        monkeypatch.setattr(windows, limit, -1.0)
    sizes = sizes_of_windows(make_job(sales_csv(1000)))
    assert [round(size, -2) for size in sizes[:5]] == [8000, 2000, 500, 500, 500]


def test_windows_of_very_short_lines_end_early(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bad line of one byte takes a hundred in memory."""
    monkeypatch.setattr(windows, "MOST_LINES", 100)
    found: list[int] = []

    def note(_size: int, *, rows: int, bad_rows: int) -> None:
        found.append(rows)

    monkeypatch.setattr(metrics, "note_window", note)
    data = b"Department,Sales\nToys,1\n" + b"a\r\n" * 1000 + b'"' + b"\n" * 500 + b'",2\nToys,3\n'
    check_against_reference(finished(data), data)
    assert sum(found) == 1003
    assert max(found) <= 100


def test_names_with_a_nul_are_kept_in_the_result_and_told_without_it(finished: Finished) -> None:
    """PostgreSQL's texts have none."""
    job = finished(b"Department,No\0te,Sales\nA\0B,1,2\nC,2,\0\n")
    assert (job.status, job.rows, job.bad_rows) == ("completed", 2, 1)
    assert job.totals.get().name == "A\ufffdB"
    assert result_of(job) == "Department Name,Total Number of Sales\nA\0B,2\n"
    assert job.context is not None
    assert job.context["layout"]["header"] == ["Department", "No\ufffdte", "Sales"]
    assert rejected_rows(job)[1][:4] == ["2", "C", "2", "\0"]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_killed_before_and_after_every_checkpoint_it_still_gets_all_exactly_once(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch, files: Path, packed: bool
) -> None:
    class Killed(BaseException):
        """As SIGKILL, nothing in the worker may clean up after it."""

    data = sales_csv(1000, bad_every=3) + b'"a\nb",2024-01-01,x\n' * 200
    make_upload(gzip.compress(data) if packed else data)
    commit_window = lifecycle.commit_window
    before: set[int] = set()
    after: set[int] = set()

    def killing(claim: lifecycle.Claim, window: lifecycle.Window) -> None:
        if window.start not in before:
            before.add(window.start)
            raise Killed
        commit_window(claim, window)
        after.add(window.start)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, "commit_window", killing)
        while Job.objects.get().position < len(data):
            with pytest.raises(Killed):
                runner.run_all()
            Job.objects.update(lease_until=None, attempt=0)
    assert before == after
    assert len(after) > len(data) // 2000
    runner.run_all()
    job = Job.objects.get()
    check_against_reference(job, data)
    stored = {str(path.relative_to(files)) for path in files.glob("jobs/*/*")}
    assert stored == {job.result_name, *job.rejected.values_list("storage_name", flat=True)}


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


def test_commit_that_merges_nothing_reads_no_stored_state(
    make_upload: MakeUpload, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.WINDOW_BYTES = 200
    data = sales_csv(100)
    make_upload(data, chunk=len(data) - 1, whole=False)
    runner.run_all()
    job = Job.objects.get()
    full = checkpoints.FAN_IN - 1
    unmerged = Checkpoint.objects.filter(level=0)
    assert 0 < unmerged.count() < full
    with django_assert_num_queries(1) as queries:
        checkpoints.plan(job.pk, start=job.position, end=job.position + 1, state=b"")
    assert '"state"' not in queries[0]["sql"]


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


def test_a_worker_that_dies_while_it_writes_the_result_is_succeeded(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sales_csv(1000, departments=50)
    make_upload(data)
    monkeypatch.setattr("reports.pipelines.sales.BATCH_ROWS", 10)
    written = iter(range(1000))
    write = lifecycle.write

    def dying(claim: lifecycle.Claim, record: Callable[[], object]) -> None:
        write(claim, record)
        if next(written) == 4:
            raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, "write", dying)
        runner.run_all()
    assert 0 < DepartmentTotal.objects.count() < 50
    assert Job.objects.get().status == "processing"
    Job.objects.update(lease_until=None)
    runner.run_all()
    check_against_reference(Job.objects.get(), data)


def test_rejected_rows_of_a_window_whose_claim_was_lost_leave_no_file(
    make_upload: MakeUpload, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sales_csv(1000, bad_every=3)
    make_upload(data)

    commit_window = lifecycle.commit_window

    def taken_over_before(*args: Any) -> None:
        Job.objects.update(token=uuid.uuid4())
        commit_window(*args)

    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, "commit_window", taken_over_before)
        runner.run_all()
    assert not list(files.glob("jobs/*/*"))
    Job.objects.update(lease_until=None)
    runner.run_all()
    check_against_reference(Job.objects.get(), data)


def test_what_dead_workers_left_in_the_storage_is_removed_in_the_end(make_upload: MakeUpload, files: Path) -> None:
    data = sales_csv(1000, bad_every=3)
    upload = make_upload(data)
    job_id = upload.jobs.get().pk
    stray = results.store_rejected(b"1,A,B,C,stray\n", job_id=job_id, token=uuid.uuid4(), start=0)
    runner.run_all()
    check_against_reference(Job.objects.get(), data)
    assert not (files / stray).exists()
    assert list(files.glob("jobs/*/rejected-*"))


def test_a_header_longer_than_a_window_is_read_whole(finished: Finished) -> None:
    data = b"Dept,Sales," + b"x" * 2500 + b"\n" + b"A,1,\n" * 1000
    check_against_reference(finished(data), data)


def test_a_quote_that_is_never_closed_costs_the_rows_within_the_limit_and_no_more(
    finished: Finished, settings: Any
) -> None:
    settings.MAX_RECORD_BYTES = 3000
    data = HEADER.encode() + b"A,2024-01-01,1\n" + b'"B,2024-01-01,2\n' + b"C,2024-01-01,3\n" * 1000
    job = finished(data)
    check_against_reference(job, data)
    assert job.reasons == {"too_long": 1}
    assert job.rows == 1 + 1 + 1000 - 199
    row = rejected_rows(job)[1]
    assert row[1].startswith('"B,2024')
    assert "quotation mark" in row[-1]


def test_a_line_longer_than_any_window_is_one_bad_row(finished: Finished, settings: Any) -> None:
    settings.MAX_RECORD_BYTES = 3000
    data = HEADER.encode() + b"x" * 50_000 + "é".encode() * 5000 + b"\nA,2024-01-01,1\n"
    job = finished(data, chunk=7001)
    check_against_reference(job, data)
    assert (job.rows, job.bad_rows) == (2, 1)


@pytest.mark.parametrize(
    ("data", "code", "told"),
    [
        (b"", "empty_file", "is empty"),
        (b"\n\n", "empty_file", "is empty"),
        (b"a,b,c\n1,2,3\n", "missing_columns", "a, b, c"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 5000, "missing_columns", "No columns"),
        (b"\0\0\0", "not_csv", "does not look like a CSV"),
        (b"x" * 9000, "missing_columns", "No columns"),
        (gzip.compress(sales_csv(50))[:-20], "gzip_damaged", "ends in the middle"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "missing_columns", "a, b"),
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


def test_amounts_are_added_up_exactly_and_written_with_the_places_they_have(make_upload: MakeUpload) -> None:
    make_upload(b"Dept,Date,Sales\nA,2024-01-01,0.1\nA,2024-01-31,0.2\nB,2024-02-01,-1.25\nB,2024-02-01,1e3\n")
    Job.objects.update(options={"amounts": True})
    runner.run_all()
    job = Job.objects.get()
    assert result_of(job) == "Department Name,Total Number of Sales\nA,0.30\nB,-1.25\n"
    assert list(job.totals.order_by("rank").values_list("name", "total", "rows")) == [
        ("A", "0.30", 2),
        ("B", "-1.25", 1),
    ]
    assert list(job.months.values_list("month", "total", "rows")) == [("2024-01", "0.30", 2), ("2024-02", "-1.25", 1)]
    assert rejected_rows(job)[1:] == [["4", "B", "2024-02-01", "1e3", "the sales are not a number"]]


def test_rejected_rows_are_listed_with_their_numbers_fields_and_reasons(finished: Finished) -> None:
    data = (
        HEADER.encode() + b'Toys,2024-01-01,3\n\nToys,2024-02-30,x\n"a, b",2024-01-01,-1\nToys\nToys,2024-01-01,1,2,3\n'
    )
    job = finished(data)
    check_against_reference(job, data)
    assert rejected_rows(job) == [
        ["rowNumber", "Department Name", "Date", "Number of Sales", "error"],
        [
            "2",
            "Toys",
            "2024-02-30",
            "x",
            "the date is not a day written YYYY-MM-DD; the sales are not a whole number from 0",
        ],
        ["3", "a, b", "2024-01-01", "-1", "the sales are not a whole number from 0"],
        ["4", "Toys", "", "", "the number of fields differs from the header's"],
        ["5", "Toys", "2024-01-01", "1", "the number of fields differs from the header's", "2", "3"],
    ]
    assert job.reasons == {"invalid_date": 1, "invalid_sales": 2, "wrong_number_of_fields": 2}


def test_beyond_the_limit_rejected_rows_are_counted_and_the_report_says_so(finished: Finished, settings: Any) -> None:
    settings.MAX_REJECTED_ROWS = 150
    job = finished(HEADER.encode() + b"A,2024-01-01,x\n" * 400)
    assert (job.rows, job.bad_rows) == (400, 400)
    report = rejected_rows(job)
    assert [row[0] for row in report[1:-1]] == [str(number) for number in range(1, 151)]
    assert report[-1] == ["", "", "", "", "only the first 150 rejected rows are listed"]


def test_rejected_rows_of_a_file_that_is_not_utf8_are_readable_from_its_first_window(finished: Finished) -> None:
    data = HEADER.encode() + ("Käse,2024-01-01,x\n" * 300 + "Käse,2024-01-01,1\n").encode("windows-1252")
    job = finished(data)
    check_against_reference(job, data)
    assert job.encoding == "windows-1252"
    assert rejected_rows(job)[1][1] == "Käse"


def test_too_many_departments_are_refused_with_a_question(finished: Finished, settings: Any) -> None:
    settings.MAX_DEPARTMENTS = 1000
    enough = finished(b"Dept,Sales\n" + b"".join(b"%d,1\n" % number for number in range(1000)))
    assert (enough.status, enough.departments) == ("completed", 1000)
    job = finished(b"Dept,Sales\n" + b"".join(b"%d,1\n" % number for number in range(1001)))
    assert (job.status, job.error_code) == ("failed", "too_many_departments")
    assert "right column" in job.error


@pytest.mark.parametrize("chunk", [50_000, 999, 100])
def test_a_packed_file_is_folded_like_any_other(finished: Finished, chunk: int) -> None:
    data = sales_csv(2000, bad_every=13)
    check_against_reference(finished(gzip.compress(data), chunk=chunk), data)


def test_a_packed_file_is_folded_while_it_comes_and_goes_on_in_any_worker(user: User) -> None:
    data = sales_csv(5000, bad_every=13)
    packed = gzip.compress(data)
    upload = uploads.create(user, length=len(packed), metadata=f"filename {b64('sales.csv.gz')}")
    positions = [0]
    for start in range(0, len(packed), 5000):
        upload = append(upload, packed[start : start + 5000])
        sources._kept.clear()
        runner.run_all()
        positions.append(Job.objects.get().position)
    assert positions == sorted(set(positions))
    assert positions[1] > 2 * 5000
    check_against_reference(Job.objects.get(), data)


def test_a_packed_file_that_waits_for_bytes_is_unpacked_once_by_a_worker_that_stays(user: User) -> None:
    packed = gzip.compress(sales_csv(5000))
    upload = uploads.create(user, length=len(packed), metadata=f"filename {b64('sales.csv.gz')}")
    kept = []
    for start in (0, 5000, 10_000):
        upload = append(upload, packed[start : start + 5000])
        runner.run_all()
        kept.append(sources._kept[Job.objects.get().pk])
    assert kept[0] is kept[1] is kept[2]


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
    commit = runner._commit

    def cancel_after(claim: lifecycle.Claim, folded: Folded) -> FoldedWindow:
        settled = commit(claim, folded)
        lifecycle.cancel(Job.objects.get())
        return settled

    with monkeypatch.context() as patched:
        patched.setattr(runner, "_commit", cancel_after)
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


def test_a_lease_whose_claim_is_lost_leaves_no_connection_open(make_upload: MakeUpload, settings: Any) -> None:
    settings.LEASE_SECONDS = 0.03
    make_upload(sales_csv(10))
    claim = lifecycle.claim()
    assert claim is not None
    Job.objects.update(token=None)
    opened: list[Any] = []

    def note(connection: Any, **_kwargs: Any) -> None:
        if threading.current_thread().name == "lease":
            opened.append(connection)

    connection_created.connect(note)
    try:
        with runner._Lease(claim) as lease:
            lease._thread.join(20)
            with pytest.raises(lifecycle.ClaimLost):
                lease.go_on()
    finally:
        connection_created.disconnect(note)
    assert [each.connection for each in opened] == [None]
