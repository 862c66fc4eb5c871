"""Files made to cost much: what they cost is counted, and what they are shown as has a bounded size."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from reports import columns, downloads, lifecycle, runner, shares, sofar, sources
from reports.engine import Aggregator, EngineError, Limits, heading, records, unpack
from reports.models import Job
from reports.snapshots import describe
from tests.conftest import MakeUpload
from tests.files import HEADER, sales_csv
from uploads import reader
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
Finished = Callable[..., Job]
EMPTY_MEMBER = gzip.compress(b"", mtime=0)
# No answer about a job is larger.
BOUND = 1_000_000


class CountedZlib:
    """zlib, which counts the bytes it is given."""

    error = zlib.error
    given = 0

    def decompressobj(self, wbits: int) -> Any:
        counted, real = self, zlib.decompressobj(wbits)

        class Counted:
            def decompress(self, data: bytes, size: int) -> bytes:
                counted.given += len(data)
                return real.decompress(data, size)

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        return Counted()


def test_gzip_of_empty_members_costs_no_more_than_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = EMPTY_MEMBER * 5000 + gzip.compress(b"x")
    monkeypatch.setattr(unpack, "zlib", counted := CountedZlib())
    assert unpack.UnpackedFile(io.BytesIO(packed)).read(2) == b"x"
    # A slice is at most some times as large as a member.
    assert counted.given < 20 * len(packed)


@pytest.fixture
def checked_often(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """A worker asks after each piece of work whether to continue, and a turn is over at once."""
    monkeypatch.setattr(runner, "CHECK_SECONDS", 0)
    settings.TURN_SECONDS = 0


def test_job_is_cancelled_in_the_middle_of_empty_members(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch, checked_often: None
) -> None:
    make_upload(gzip.compress(HEADER.encode()) + EMPTY_MEMBER * 20_000 + gzip.compress(b"A,2024-01-01,1\n"))
    check, checks = runner._Turn.check, 0

    def cancel_at_the_third(turn: Any) -> None:
        nonlocal checks
        checks += 1
        if checks == 3:
            lifecycle.cancel(Job.objects.get())
        check(turn)

    monkeypatch.setattr(runner._Turn, "check", cancel_at_the_third)
    runner.run_all()
    assert (Job.objects.get().status, checks) == ("cancelled", 3)


def test_other_jobs_get_their_turn_in_the_middle_of_empty_members(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch, checked_often: None
) -> None:
    packed = gzip.compress(HEADER.encode()) + EMPTY_MEMBER * 20_000 + gzip.compress(b"A,2024-01-01,1\n")
    hostile = make_upload(packed).jobs.get()
    small = make_upload(sales_csv(10)).jobs.get()
    fed, real = 0, reader.read

    def counted(upload: Upload, start: int, size: int) -> bytes:
        nonlocal fed
        fed += size if upload.pk == hostile.upload_id else 0
        return real(upload, start, size)

    monkeypatch.setattr(sources, "read", counted)
    runner.run_all()
    hostile.refresh_from_db()
    small.refresh_from_db()
    assert (hostile.status, hostile.total, small.status) == ("completed", "1", "completed")
    assert small.finished_at is not None
    assert hostile.finished_at is not None
    assert small.finished_at < hostile.finished_at
    # It continued where it was: each byte was read once, besides the first two each time that it was claimed.
    assert fed < len(packed) + 200


def test_of_many_kept_sources_the_most_expensive_stays(make_upload: MakeUpload) -> None:
    jobs = [make_upload(gzip.compress(sales_csv(rows))).jobs.get() for rows in (400, 10, 20, 30, 40, 50)]
    for job in jobs:
        source = sources.open_source(job, Limits())
        assert source is not None
        source.read(job.upload, 1)
        sources.keep(job, source)
    assert len(sources._kept) == sources._KEPT
    assert jobs[0].pk in sources._kept
    Job.objects.filter(pk=jobs[0].pk).update(status="cancelled")
    sources.keep(jobs[1], sources.open_source(jobs[1], Limits()))
    sources._drop_ended()
    assert jobs[0].pk not in sources._kept


def test_blank_lines_are_one_step_however_many() -> None:
    read = list(records.read(b"\n" * 100_000 + b"a,b\r\n\r\n\r\n", ",", final=True))
    assert [record.fields for record in read] == [[], ["a", "b"], []]
    assert [(record.start, record.end) for record in read] == [(0, 100_000), (100_000, 100_005), (100_005, 100_009)]


def test_file_of_blank_lines_alone_has_failed(finished: Finished) -> None:
    job = finished(b"\n" * 2_000_000)
    assert (job.status, job.error_code) == ("failed", "not_csv")
    assert columns.columns_of(job) == []


@pytest.mark.parametrize("count", [heading.MAX_COLUMNS + 1, 180_000])
def test_header_of_too_many_columns_is_refused(finished: Finished, ann: Client, count: int) -> None:
    job = finished(b"Department,Sales" + b",x" * (count - 2) + b"\nA,1\n")
    assert (job.status, job.error_code) == ("failed", "too_many_columns")
    assert "16,384 columns" in ann.get(f"/jobs/{job.pk}/").content.decode()


def wide_header(count: int) -> list[str]:
    return ["Department", "Sales", *(f"another column, number {number}" for number in range(count))]


def test_row_of_a_job_keeps_little_of_a_long_header(finished: Finished) -> None:
    names = wide_header(10_000)
    out = io.StringIO()
    csv.writer(out).writerows([names, ["A", "1"], ["A", "5", *("x" for _ in names[2:])]])
    job = finished(out.getvalue().encode())
    assert (job.status, job.rows, job.bad_rows, job.total) == ("completed", 2, 1, "5")
    assert len(json.dumps(job.context)) < 30_000
    assert columns.found_in(job) == {"department": "Department", "date": "", "sales": "Sales"}
    csv.field_size_limit(1 << 30)
    listed = list(csv.reader(io.StringIO(b"".join(downloads.rejected_chunks(job)).decode(), newline="")))
    assert listed[0] == ["rowNumber", *names, "error"]
    assert listed[1][:4] == ["1", "A", "1", ""]
    assert len(listed[1]) == len(names) + 2


def test_customers_with_a_long_header_are_imported(imported: Finished, user: Any) -> None:
    others = [f"another column, number {number}" for number in range(1000)]
    out = io.StringIO()
    good = ["Ann", "ann@example.org", "Example", *others]
    csv.writer(out).writerows([["Name", "Email", "Company", *others], good, ["Bob"]])
    job = imported(out.getvalue().encode())
    assert (job.status, job.rows, job.bad_rows, user.customers.count()) == ("completed", 2, 1, 1)
    assert len(json.dumps(job.context)) < 30_000
    listed = list(csv.reader(io.StringIO(b"".join(downloads.rejected_chunks(job)).decode(), newline="")))
    assert listed[0] == ["rowNumber", "name", "email", "phone", "company", "error", *others]


def test_rejected_rows_of_a_very_wide_file_take_bounded_room() -> None:
    listed: list[bytes] = []
    aggregator = Aggregator(limits=Limits(padding_bytes=100_000), rejected=listed.append)
    aggregator.feed(b"Department,Sales" + b",x" * 9998 + b"\n" + b"a\n" * 1000)
    assert aggregator.finish().bad_rows == 1000
    assert b"".join(listed).count(b"\n") == 10


@pytest.mark.parametrize("amounts", [False, True])
def test_sales_with_very_many_digits_in_all_are_refused(amounts: bool) -> None:
    value = b"0." + b"1" * 4000 if amounts else b"9" * 4000
    rows = b"".join(b"D%d,%s\n" % (number, value if not amounts or not number else b"1") for number in range(100))
    aggregator = Aggregator(amounts=amounts, limits=Limits(digit_bytes=100_000))
    with pytest.raises(EngineError) as refused:
        aggregator.feed(b"Department,Sales\n" + rows)
        aggregator.finish()
    assert refused.value.code == "too_many_digits"


def test_totals_so_far_of_names_that_compress_well_are_left_out(make_upload: MakeUpload, settings: Any) -> None:
    """A small checkpoint can hold long names that repeat one letter, and each view of the page would unpack them."""
    settings.WINDOW_BYTES = 1_000_000
    name = b"x" * 4000
    data = b"Department,Sales\n" + b"".join(name + b"%d,1\n" % number for number in range(3000))
    job = make_upload(data, chunk=len(data) - 1, whole=False).jobs.get()
    runner.run_all()
    stored = sum(len(state) for state in job.checkpoints.values_list("state", flat=True))
    assert 0 < stored < 1_000_000
    assert sofar.totals_so_far(job) is None


def hostile_file() -> bytes:
    """Long names, columns, values and numbers."""
    head = ["Department", "Date", "Number of Sales", "x" * 100_000, *(f"<&\"'> {number}" for number in range(5000))]
    rest = ["&" * 5] * 5001
    rows = [[f"{number}" + '"<&>' * 50_000, f"{1900 + number}-01-01", "9" * 4000, *rest] for number in range(12)]
    bad = [["y" * 50_000, "<never>" * 1000, "1", *rest], ["short"]] * 15
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([head, *rows, *bad])
    return out.getvalue().encode()


@pytest.fixture
def hostile(finished: Finished) -> Job:
    job = finished(hostile_file(), name=("<&>" * 80) + ".csv")
    assert (job.status, job.departments, job.bad_rows) == ("completed", 12, 30)
    return job


def test_every_page_about_a_hostile_file_has_a_bounded_size(hostile: Job, ann: Client, admin: Client) -> None:
    link = f"/shared/{shares.token(shares.create(hostile, days=7))}/"
    pages = ["/", "/files/", *(f"/jobs/{hostile.pk}/{part}" for part in ("", "body", "table", "table?q=%3C", "remove"))]
    sizes = {page: len(ann.get(page).content) for page in pages}
    sizes |= {page: len(Client().get(page).content) for page in (link, f"{link}table")}
    address = f"/admin/reports/job/{hostile.pk}/change/"
    sizes |= {page: len(admin.get(page).content) for page in (address, "/admin/reports/job/")}
    assert max(sizes.values()) < BOUND, sizes
    assert "…" in ann.get(f"/jobs/{hostile.pk}/table").content.decode()


def test_every_api_answer_about_a_hostile_file_has_a_bounded_size(hostile: Job, ann: Client) -> None:
    described = ann.get("/api/openapi.json").json()
    job = [path for path, methods in described["paths"].items() if "{job_id}" in path and "get" in methods]
    files = ("result.", "errors.csv", "stream")
    told = [path for path in job if not any(file in path for file in files)]
    assert len(told) > 5
    sizes = {path: len(ann.get(path.replace("{job_id}", str(hostile.pk))).content) for path in (*told, "/api/jobs")}
    assert max(sizes.values()) < BOUND, sizes


def test_what_sockets_and_streams_send_of_a_hostile_file_is_small(hostile: Job) -> None:
    """Both send snapshots, and a stream's end is the API's answer."""
    assert len(json.dumps(describe(hostile))) < 5000


def test_a_running_hostile_job_shows_names_cut(make_upload: MakeUpload, ann: Client, settings: Any) -> None:
    settings.WINDOW_BYTES = 100_000
    data = HEADER.encode() + b"".join(b"%d%s,2024-01-01,5\n" % (row, b"N" * 50_000) for row in range(12))
    upload = make_upload(data, chunk=len(data) - 10, whole=False)
    runner.run_all()
    job = upload.jobs.get()
    so_far = sofar.totals_so_far(job)
    assert so_far is not None
    assert {len(line.name) for line in so_far.largest} == {200}
    assert len(ann.get(f"/jobs/{job.pk}/").content) < 100_000


def test_downloads_have_names_whole_and_cut_names_stay_apart(finished: Finished, ann: Client) -> None:
    long = "N" * 5000
    job = finished(f"Department,Sales\n{long}a,1\n{long}b,2\n".encode())
    lines = ann.get(f"/api/jobs/{job.pk}/totals").json()["items"]
    assert [(line["sales"], line["department"]) for line in lines] == [(n, "N" * 199 + "…") for n in ("2", "1")]
    opened, _size = downloads.opened(job, "csv")
    with opened:
        result = opened.read().decode()
    assert result.splitlines()[1:] == [f"{long}a,1", f"{long}b,2"]
    assert ann.get(f"/api/jobs/{job.pk}/totals?q=NNN").json()["count"] == 2


def test_months_without_end_are_cut_to_the_latest(finished: Finished, ann: Client) -> None:
    rows = "".join(f"A,{year:04}-{month:02}-01,1\n" for year in range(1, 150) for month in range(1, 13))
    job = finished(f"{HEADER}{rows}".encode())
    months = ann.get(f"/api/jobs/{job.pk}/months").json()
    assert (len(months["items"]), months["count"]) == (1200, 1788)
    assert months["items"][-1]["month"] == "0149-12"
    page = ann.get(f"/jobs/{job.pk}/").content.decode()
    assert ("0149-12" in page, "0100-01" in page) == (True, False)


def test_report_of_a_job_with_a_layout_of_the_first_version_is_shown(finished: Finished, ann: Client) -> None:
    job = finished(sales_csv(50, bad_every=5))
    context: Any = job.context
    layout = context["layout"] | {"version": 1}
    layout["columns"] = layout["columns"] | {"department": layout["columns"]["department"][0]}
    del layout["amounts"]
    Job.objects.update(context=context | {"layout": layout})
    page = ann.get(f"/jobs/{job.pk}/")
    assert page.status_code == 200
    assert "rejected-unavailable" not in page.content.decode()
    assert b"".join(downloads.rejected_chunks(Job.objects.get())).startswith(b"rowNumber,Department Name")


def test_report_is_shown_without_rejected_rows_whose_file_is_missing(
    finished: Finished, ann: Client, files: Path
) -> None:
    job = finished(sales_csv(50, bad_every=5))
    for path in files.glob("jobs/*/rejected-*"):
        path.unlink()
    page = ann.get(f"/jobs/{job.pk}/")
    assert page.status_code == 200
    assert 'id="rejected-unavailable"' in page.content.decode()
    assert 'id="totals"' in page.content.decode()


def test_report_is_shown_while_the_storage_is_unavailable(finished: Finished, ann: Client, files: Path) -> None:
    job = finished(b"a,b\n1,2\n")
    assert job.error_code == "missing_columns"
    for path in files.glob("uploads/*/*"):
        path.unlink()
        path.mkdir()
    page = ann.get(f"/jobs/{job.pk}/")
    assert page.status_code == 200
    assert 'id="again-unavailable"' in page.content.decode()
