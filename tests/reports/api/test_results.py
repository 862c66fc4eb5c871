"""What jobs end in, for programs: files, figures page by page, and what is known before the end."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from reports import lifecycle, runner
from reports.api.results import Result
from reports.formats import FORMATS
from reports.models import Job
from reports.totals import PAGE_ROWS
from tests.conftest import MakeUpload, append
from tests.files import HEADER, sales_csv
from tests.reports.test_downloads import content

pytestmark = pytest.mark.django_db(transaction=True)
MakeJob = Callable[..., Job]
DATA = HEADER.encode() + b"Toys,2024-01-01,3\nBooks,2024-02-01,4000\n=1+1,never,1\n=2+2,2024-02-03,5\n"
FILES = [*(f"result.{kind}" for kind in FORMATS), "errors.csv"]
FIGURES = ["totals", "months", "so-far", "columns"]
nobody = Client()


@pytest.fixture
def job(finished: MakeJob) -> Job:
    return finished(DATA)


def get(api: Client, job: Job, path: str, **asked: Any) -> Any:
    return api.get(f"/api/jobs/{job.pk}/{path}", asked)


def refused(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("path", FILES)
def test_each_file_is_the_one_that_the_page_has(api: Client, ann: Client, job: Job, path: str) -> None:
    ours = get(api, job, path)
    page = ann.get(f"/jobs/{job.pk}/{path.replace('errors', 'rejected')}")
    for header in ("Content-Type", "Content-Disposition"):
        assert ours[header] == page[header]
    assert ours["Content-Disposition"].startswith('attachment; filename="sales-')
    told, shown = content(ours), content(page)
    # A workbook tells when it was made.
    assert told == shown or path.endswith("xlsx")


@pytest.mark.parametrize("path", ["result.csv", "errors.csv"])
@pytest.mark.parametrize("safe", ["1", "true", "0", "false", ""])
def test_csv_can_be_had_safe_for_spreadsheets(api: Client, job: Job, path: str, safe: str) -> None:
    asked = {"safe": safe} if safe else {}
    told = content(get(api, job, path, **asked)).decode()
    assert ("'=" in told) == (safe in ("1", "true"))


def test_safe_is_either_or(api: Client, job: Job) -> None:
    assert refused(get(api, job, "result.csv", safe="perhaps")) == (422, "invalid_request")


def test_json_is_as_described(api: Client, job: Job, make_upload: MakeUpload) -> None:
    amounts = make_upload(HEADER.encode() + b"Toys,2024-01-01,1.50\n").jobs.get()
    Job.objects.filter(pk=amounts.pk).update(options={"amounts": True})
    runner.run_all()
    for made in (job, amounts):
        told = json.loads(content(get(api, made, "result.json")))
        assert Result.model_validate(told).model_dump(mode="json", by_alias=True) == told


@pytest.mark.parametrize("path", FILES)
def test_what_somebody_has_is_not_sent_again(api: Client, job: Job, path: str) -> None:
    first = get(api, job, path)
    content(first)
    again = api.get(f"/api/jobs/{job.pk}/{path}", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert first["Cache-Control"] == again["Cache-Control"] == "private, no-cache"


def test_each_file_has_a_tag_of_its_own(api: Client, job: Job, finished: MakeJob) -> None:
    def tag(job: Job, path: str, **asked: Any) -> str:
        response = get(api, job, path, **asked)
        content(response)
        return str(response["ETag"])

    safe = [tag(job, path, safe="1") for path in ("result.csv", "errors.csv")]
    tags = [*(tag(job, path) for path in FILES), *safe, tag(finished(DATA), "result.csv")]
    assert len(set(tags)) == len(tags)


def test_rejected_rows_come_while_the_job_runs_and_their_tag_with_them(
    api: Client, make_upload: MakeUpload, settings: Any
) -> None:
    settings.WINDOW_BYTES = 1000
    data = sales_csv(200, bad_every=10)
    upload = make_upload(data, chunk=len(data) // 2, whole=False)
    job = upload.jobs.get()
    assert refused(get(api, job, "errors.csv")) == (409, "no_result")
    runner.run_all()
    half = get(api, job, "errors.csv")
    lines = content(half).decode().splitlines()
    assert 1 < len(lines) < 21
    append(upload, data[upload.offset :])
    runner.run_all()
    whole = api.get(f"/api/jobs/{job.pk}/errors.csv", headers={"If-None-Match": half["ETag"]})
    assert content(whole).decode().splitlines()[: len(lines)] == lines
    assert api.get(f"/api/jobs/{job.pk}").json()["failedCount"] == 20


@pytest.mark.parametrize("path", [*FILES, "totals", "months"])
def test_what_is_not_there_yet_is_refused(api: Client, make_job: MakeJob, path: str) -> None:
    job = make_job(DATA)
    assert refused(get(api, job, path)) == (409, "no_result")
    lifecycle.cancel(job)
    assert refused(get(api, job, path)) == (409, "no_result")


@pytest.mark.parametrize("path", ["result.pdf", "result", "errors.json", "result.csv/"])
def test_a_file_that_we_do_not_have_is_not_found(api: Client, job: Job, path: str) -> None:
    assert refused(get(api, job, path)) == (404, "not_found")


def test_a_browsers_accept_header_changes_nothing(api: Client, job: Job) -> None:
    response = api.get(f"/api/jobs/{job.pk}/result.json", headers={"Accept": "text/csv"})
    assert response["Content-Type"] == "application/json"
    content(response)


def test_totals_tell_what_the_table_shows(api: Client, job: Job) -> None:
    assert get(api, job, "totals").json() == {
        "items": [
            {"rank": 1, "department": "Books", "sales": "4000", "rows": 1, "share": 99.8},
            {"rank": 2, "department": "=2+2", "sales": "5", "rows": 1, "share": 0.1},
            {"rank": 3, "department": "Toys", "sales": "3", "rows": 1, "share": 0.1},
        ],
        "count": 3,
        "page": 1,
        "pages": 1,
    }


def test_totals_are_exact_whatever_their_size_and_shares_are_told_where_they_mean_something(
    api: Client, finished: MakeJob, make_upload: MakeUpload
) -> None:
    huge = finished(f"{HEADER}Toys,2024-01-01,{'9' * 900}\n".encode())
    assert get(api, huge, "totals").json()["items"][0]["sales"] == "9" * 900
    amounts = make_upload(HEADER.encode() + b"Toys,2024-01-01,-1.50\n").jobs.get()
    Job.objects.filter(pk=amounts.pk).update(options={"amounts": True})
    runner.run_all()
    line = get(api, amounts, "totals").json()["items"][0]
    assert (line["sales"], line["share"]) == ("-1.50", None)


@pytest.fixture
def many(finished: MakeJob) -> Job:
    """Department n has sales of n."""
    rows = "".join(f"Dept {n:03},2024-01-01,{n}\n" for n in range(2 * PAGE_ROWS + 20))
    return finished((HEADER + rows).encode())


@pytest.mark.parametrize(("sort", "first"), [("-total", 119), ("total", 0), ("name", 0), ("-name", 119), ("rows", 0)])
def test_totals_come_in_any_order_page_by_page(api: Client, many: Job, sort: str, first: int) -> None:
    pages = [get(api, many, "totals", sort=sort, page=page).json() for page in (1, 2, 3)]
    names = [line["department"] for page in pages for line in page["items"]]
    assert (len(names), len(set(names)), names[0]) == (120, 120, f"Dept {first:03}")
    assert [(page["count"], page["page"], page["pages"]) for page in pages] == [(120, 1, 3), (120, 2, 3), (120, 3, 3)]


def test_beyond_the_last_page_there_is_nothing(api: Client, many: Job) -> None:
    told = get(api, many, "totals", page=4).json()
    assert (told["items"], told["count"], told["page"], told["pages"]) == ([], 120, 4, 3)


def test_totals_are_searched(api: Client, many: Job) -> None:
    told = get(api, many, "totals", q="DEPT 01", sort="name").json()
    assert [line["department"] for line in told["items"]] == [f"Dept {n:03}" for n in range(10, 20)]
    assert (told["count"], told["pages"]) == (10, 1)
    assert get(api, many, "totals", q="%").json()["items"] == []
    assert get(api, many, "totals", q="\0dept 01\0").json()["count"] == 10


@pytest.mark.parametrize(
    "asked", [{"sort": "sales"}, {"page": "0"}, {"page": "x"}, {"page": "9" * 30}, {"q": "x" * 201}]
)
def test_what_makes_no_sense_is_refused(api: Client, job: Job, asked: dict[str, str]) -> None:
    assert refused(get(api, job, "totals", **asked)) == (422, "invalid_request")


def test_months_are_listed_in_order(api: Client, job: Job, finished: MakeJob) -> None:
    assert get(api, job, "months").json() == {
        "items": [{"month": "2024-01", "sales": "3", "rows": 1}, {"month": "2024-02", "sales": "4005", "rows": 2}],
        "count": 2,
    }
    assert get(api, finished(b"Dept,Sales\nToys,1\n"), "months").json() == {"items": [], "count": 0}


def test_while_a_job_runs_the_totals_so_far_are_told_and_at_its_end_the_results(
    api: Client, make_upload: MakeUpload, settings: Any
) -> None:
    settings.WINDOW_BYTES = 1000
    data = sales_csv(200, departments=30)
    upload = make_upload(data, chunk=len(data) // 2, whole=False)
    job = upload.jobs.get()
    nothing: dict[str, Any] = {"departments": None, "total": None, "largest": [], "months": []}
    assert get(api, job, "so-far").json() == nothing
    runner.run_all()
    half = get(api, job, "so-far").json()
    append(upload, data[upload.offset :])
    runner.run_all()
    whole = get(api, job, "so-far").json()
    end = api.get(f"/api/jobs/{job.pk}").json()
    assert 0 < int(half["total"]) < int(whole["total"])
    assert (whole["total"], whole["departments"]) == (end["total"], end["departments"]) == (end["total"], 30)
    assert [line["rank"] for line in half["largest"]] == [line["rank"] for line in whole["largest"]] == [*range(1, 21)]
    assert whole["largest"] == get(api, job, "totals").json()["items"][:20]
    assert whole["months"] == get(api, job, "months").json()["items"]
    assert half["months"]


def test_the_columns_of_a_file_can_be_had_to_choose_from(api: Client, finished: MakeJob, make_job: MakeJob) -> None:
    failed = finished(b"Region,Day,Takings\nNorth,2024-01-01,1\n")
    assert failed.error_code == "missing_columns"
    for job in (failed, make_job(b"Region,Day,Takings\n")):
        assert get(api, job, "columns").json() == {"items": ["Region", "Day", "Takings"]}


@pytest.mark.parametrize("path", [*FILES, *FIGURES])
def test_they_are_the_owners_alone_and_only_read(
    api: Client, ann: Client, others: list[Client], job: Job, path: str
) -> None:
    for other in others:
        assert refused(get(other, job, path)) == (404, "not_found")
    assert refused(get(nobody, job, path)) == (401, "unauthorized")
    assert refused(api.post(f"/api/jobs/{job.pk}/{path}")) == (405, "method_not_allowed")
    response = get(ann, job, path)
    assert response.status_code == 200
    response.close()
