"""Jobs in the API: listed page by page, filtered, looked at."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from reports import lifecycle, runner
from reports.models import Job
from tests.conftest import MakeUpload, append
from tests.files import HEADER, sales_csv
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
MakeJob = Callable[..., Job]
DATA = HEADER.encode() + b"Toys,2024-01-01,3\nBooks,2024-02-01,4000\nToys,never,1\n"
nobody = Client()


def page(api: Client, **asked: Any) -> dict[str, Any]:
    response = api.get("/api/jobs", asked)
    assert response.status_code == 200, response.content
    told: dict[str, Any] = response.json()
    return told


def ids(api: Client, **asked: Any) -> list[str]:
    return [job["jobId"] for job in page(api, **asked)["items"]]


def look(api: Client, job: Job) -> dict[str, Any]:
    told: dict[str, Any] = api.get(f"/api/jobs/{job.pk}").json()
    return told


@pytest.fixture
def jobs(make_job: MakeJob) -> list[str]:
    """The ids of five jobs, the newest first."""
    return [str(make_job(DATA, name=f"{number}.csv").pk) for number in range(5)][::-1]


def test_they_are_listed_newest_first(api: Client, jobs: list[str]) -> None:
    assert ids(api) == jobs
    assert page(api)["next"] is None


def walk(api: Client, between: Callable[[], object], **asked: Any) -> list[str]:
    """All pages, with something done between any two."""
    found: list[str] = []
    told = page(api, **asked)
    while True:
        found += [job["jobId"] for job in told["items"]]
        if told["next"] is None:
            return found
        between()
        told = page(api, cursor=told["next"], **asked)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_walk_meets_each_once_while_new_ones_come(
    api: Client, jobs: list[str], make_job: MakeJob, limit: int
) -> None:
    assert walk(api, lambda: make_job(DATA), limit=limit) == jobs


def test_a_walk_goes_on_where_the_job_of_its_cursor_was(api: Client, jobs: list[str]) -> None:
    told = page(api, limit=2)
    lifecycle.delete(Job.objects.get(pk=jobs[1]))
    assert ids(api, limit=2, cursor=told["next"]) == jobs[2:4]


def test_jobs_that_came_at_the_same_moment_are_told_apart(api: Client, jobs: list[str]) -> None:
    Job.objects.update(created_at=timezone.now())
    assert walk(api, list, limit=2) == sorted(jobs, reverse=True)


def test_a_filtered_walk_stays_filtered(api: Client, jobs: list[str]) -> None:
    Job.objects.filter(pk__in=jobs[::2]).update(status="failed")
    assert walk(api, list, limit=1, status="failed") == jobs[::2]


def test_they_are_filtered_by_status(api: Client, jobs: list[str]) -> None:
    for job, status in zip(jobs, ("failed", "failed", "cancelled"), strict=False):
        Job.objects.filter(pk=job).update(status=status)
    assert ids(api, status="failed") == jobs[:2]
    assert ids(api, status=["failed", "cancelled"]) == jobs[:3]
    assert ids(api, status="completed") == []


def test_they_are_filtered_by_file(api: Client, jobs: list[str], stranger: User, make_job: MakeJob) -> None:
    first = Job.objects.get(pk=jobs[0])
    again = lifecycle.process(first.upload, {})
    assert ids(api, fileKey=first.upload_id) == [str(again.pk), jobs[0]]
    assert ids(api, fileKey=make_job(DATA, owner=stranger).upload_id) == []


def test_they_are_filtered_by_a_part_of_the_files_name(api: Client, make_job: MakeJob) -> None:
    job = make_job(DATA, name="Köln_100%.csv")
    make_job(DATA, name="Bonn.csv")
    for q in ("köln"[1:], "_100%", "\0Köln\0"):
        assert ids(api, q=q) == [str(job.pk)], q
    assert ids(api, q="_%") == []


def test_they_are_filtered_by_when_they_came(api: Client, jobs: list[str]) -> None:
    at = Job.objects.get(pk=jobs[2]).created_at
    assert ids(api, createdAfter=at.isoformat()) == jobs[:2]
    assert ids(api, createdBefore=at.isoformat()) == jobs[3:]
    just_before = (at - timedelta(microseconds=1)).isoformat()
    assert ids(api, createdAfter=just_before, createdBefore=(at + timedelta(microseconds=1)).isoformat()) == [jobs[2]]


def test_they_are_filtered_by_kind(api: Client, jobs: list[str]) -> None:
    assert ids(api, kind="sales") == jobs


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "nonsense",
    [
        "x",
        "ä",
        "====",
        cursor("2024-01-01T00:00:00+00:00"),
        cursor("2024-01-01T00:00:00 00000000-0000-0000-0000-000000000000"),
        cursor("0001-01-01T00:00:00+14:00 00000000-0000-0000-0000-000000000000"),
        cursor("9999-12-31T23:59:59-14:00 00000000-0000-0000-0000-000000000000"),
        cursor("2024-01-01T00:00:00+00:00 x"),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(api: Client, jobs: list[str], nonsense: str) -> None:
    response = api.get("/api/jobs", {"cursor": nonsense})
    assert (response.status_code, response.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "x"},
        {"status": "done"},
        {"status": ["failed"] * 6},
        {"kind": "orders"},
        {"fileKey": "x"},
        {"q": "x" * 256},
        {"cursor": "x" * 201},
        {"createdAfter": "yesterday"},
        {"createdAfter": "2024-01-01T00:00:00"},
        {"createdAfter": "2024-01-01"},
        {"createdAfter": "1700000000.5"},
        {"createdAfter": "0001-01-01T00:00:00+14:00"},
        {"createdBefore": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_what_is_not_as_described_is_refused_by_its_name(api: Client, asked: dict[str, Any]) -> None:
    response = api.get("/api/jobs", asked)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert response.json()["errors"][0]["field"].startswith(f"query.{next(iter(asked))}")


def test_a_job_tells_all_that_its_page_shows(api: Client, user: User, make_upload: MakeUpload) -> None:
    upload = make_upload(DATA, name="sales.csv")
    runner.run_all()
    job = upload.jobs.get()
    told = look(api, job)
    assert job.started_at is not None
    assert job.finished_at is not None
    seconds = (job.finished_at - job.started_at).total_seconds()
    expected = {
        "jobId": str(job.pk),
        "version": job.version,
        "kind": "sales",
        "status": "completed",
        "state": "done_with_rejects",
        "fileKey": str(upload.pk),
        "fileName": "sales.csv",
        "fileState": "complete",
        "uploadedBytes": len(DATA),
        "totalBytes": len(DATA),
        "processedBytes": len(DATA),
        "processedRows": 3,
        "totalRows": 3,
        "successCount": 2,
        "failedCount": 1,
        "reasons": {"invalid_date": 1},
        "departments": 2,
        "total": "4003",
        "encoding": "utf-8",
        "options": {"columns": {"department": None, "date": None, "sales": None}, "amounts": False},
        "columns": {"department": "Department Name", "date": "Date", "sales": "Number of Sales"},
        "error": None,
        "undoneAt": None,
        "seconds": seconds,
        "rowsPerSecond": round(3 / seconds),
        "actions": ["again", "delete"],
        "url": f"http://localhost:8000/jobs/{job.pk}/",
    }
    assert {name: told[name] for name in expected} == expected
    assert set(told) - set(expected) == {"createdAt", "startedAt", "finishedAt", "downloadUrls", "downloadUrlsExpireAt"}
    assert set(told["downloadUrls"]) == {"csv", "xlsx", "json", "parquet", "errors"}


def test_a_job_whose_file_is_on_its_way_tells_how_far_it_is(api: Client, make_upload: MakeUpload) -> None:
    upload = make_upload(DATA, chunk=40, whole=False)
    told = look(api, upload.jobs.get())
    assert (told["state"], told["status"], told["fileState"]) == ("uploading", "pending", "receiving")
    assert (told["uploadedBytes"], told["totalBytes"], told["processedBytes"]) == (80, len(DATA), 0)
    nothing_yet = (
        "totalRows", "total", "departments", "encoding", "columns", "startedAt", "finishedAt", "seconds",
        "downloadUrlsExpireAt",
    )  # fmt: skip
    assert {told[name] for name in nothing_yet} == {None}
    assert (told["downloadUrls"], told["actions"]) == ({}, ["cancel", "again"])


def test_a_failed_job_tells_why(api: Client, finished: MakeJob) -> None:
    told = look(api, finished(b"Region,Takings\nNorth,1\n"))
    assert (told["status"], told["error"]["code"]) == ("failed", "missing_columns")
    assert told["error"]["detail"]
    assert told["actions"] == ["retry", "again", "delete"]


def test_a_file_without_dates_or_header_tells_the_columns_that_were_read(api: Client, finished: MakeJob) -> None:
    assert look(api, finished(b"Dept,Sales\nToys,1\n"))["columns"] == {
        "department": "Dept",
        "date": None,
        "sales": "Sales",
    }
    assert look(api, finished(b"Toys,2024-01-01,3\n"))["columns"] is None


def test_what_has_not_changed_is_not_sent_again(api: Client, make_upload: MakeUpload) -> None:
    data = sales_csv(20)
    upload = make_upload(data, chunk=100, whole=False)
    for address in ("/api/jobs", f"/api/jobs/{upload.jobs.get().pk}"):
        upload.refresh_from_db()
        first = api.get(address)
        known = {"If-None-Match": first["ETag"]}
        again = api.get(address, headers=known)
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
        append(Upload.objects.get(pk=upload.pk), data[upload.offset :][:10])
        changed = api.get(address, headers=known)
        assert changed.status_code == 200
        assert changed["ETag"] != first["ETag"]


def test_a_list_asks_the_database_no_more_often_for_many(api: Client, finished: MakeJob) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert page(api)["items"]
        return len(captured)

    finished(sales_csv(20, bad_every=5))
    page(api)
    of_one = queries()
    for _ in range(4):
        finished(sales_csv(20, bad_every=5))
    assert queries() == of_one
    assert of_one <= 3


def test_they_are_the_owners_alone(api: Client, ann: Client, others: list[Client], jobs: list[str]) -> None:
    assert ids(ann) == ids(api) == jobs
    assert ann.get(f"/api/jobs/{jobs[0]}").status_code == 200
    for other in others:
        assert ids(other) == []
        response = other.get(f"/api/jobs/{jobs[0]}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    for address in ("/api/jobs", f"/api/jobs/{jobs[0]}"):
        response = nobody.get(address)
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
        assert api.put(address).status_code == 405


@pytest.mark.parametrize("unknown", ["00000000-0000-0000-0000-000000000000", "x", "1"])
def test_a_job_that_never_was_is_not_found(api: Client, unknown: str) -> None:
    response = api.get(f"/api/jobs/{unknown}")
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
