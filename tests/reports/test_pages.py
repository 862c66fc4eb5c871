"""Dashboard and report, and what can be done on them."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.db import connections
from django.test import AsyncClient, Client

from accounts.models import User
from reports import lifecycle
from reports.models import DepartmentTotal, Job
from tests.conftest import MakeUpload
from tests.files import HEADER

pytestmark = pytest.mark.django_db(transaction=True)
DATA = HEADER.encode() + b"Toys,2024-01-01,3\nBooks,2024-01-01,4000\nToys,never,1\n"
Finished = Callable[..., Job]


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def test_the_dashboard_shows_ones_own_files_and_nobody_elses(
    ann: Client, make_upload: MakeUpload, stranger: User
) -> None:
    make_upload(DATA, name="mine.csv")
    make_upload(DATA, name="theirs.csv", owner=stranger)
    page = text(ann.get("/"))
    assert "mine.csv" in page
    assert "theirs.csv" not in page


def test_an_empty_dashboard_says_what_to_do_and_offers_a_sample(ann: Client) -> None:
    page = text(ann.get("/"))
    assert "No files yet" in page
    assert 'href="/sample.csv"' in page


def test_the_sample_is_a_file_the_product_reads(finished: Finished) -> None:
    response = Client().get("/sample.csv")
    assert response["Content-Disposition"] == 'attachment; filename="sample-sales.csv"'
    job = finished(response.content)
    assert (job.status, job.rows, job.bad_rows, job.departments) == ("completed", 2002, 2, 7)


def test_a_file_name_is_text_and_never_markup(ann: Client, make_upload: MakeUpload) -> None:
    make_upload(DATA, name="<img src=x onerror=alert(1)>.csv")
    assert "<img src=x" not in text(ann.get("/"))


def test_a_report_has_figures_totals_and_the_download(ann: Client, finished: Finished) -> None:
    job = finished(DATA)
    page = text(ann.get(f"/jobs/{job.pk}/"))
    assert page.index("Books") < page.index("4,000") < page.index("Toys")
    assert "Done with 1 rejected row" in page
    assert f'href="/jobs/{job.pk}/result.csv"' in page
    assert "Read as UTF-8" in page


def test_a_report_of_many_departments_is_paged_largest_first(ann: Client, finished: Finished) -> None:
    rows = "".join(f"Dept {number:04},2024-01-01,{number}\n" for number in range(250))
    job = finished((HEADER + rows).encode())
    first, last = text(ann.get(f"/jobs/{job.pk}/")), text(ann.get(f"/jobs/{job.pk}/?page=3"))
    assert "Dept 0249" in first
    assert "Page 1 of 3" in first
    assert "Dept 0000" not in first
    assert "Dept 0000" in last
    assert "Page 3 of 3" in text(ann.get(f"/jobs/{job.pk}/?page=999"))


def test_a_failed_job_says_why(ann: Client, finished: Finished) -> None:
    job = finished(b"a,b\n1,2\n")
    page = text(ann.get(f"/jobs/{job.pk}/"))
    assert "No columns for department and sales were found" in page
    assert "result.csv" not in page


async def download(user: User, path: str) -> Any:
    client = AsyncClient()
    await client.aforce_login(user)
    response = await client.get(path)
    # The view ran in a thread of its own, whose connection Django's test client leaves open.
    await sync_to_async(connections.close_all)()
    return response


async def test_the_result_is_downloaded_under_the_files_name(user: User, finished: Finished) -> None:
    job = await database_sync_to_async(finished)(DATA, name='Köln "1".csv')
    response = await download(user, f"/jobs/{job.pk}/result.csv")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv"
    assert "K%C3%B6ln%20%221%22-totals.csv" in response["Content-Disposition"]
    content = b"".join([piece async for piece in response.streaming_content])
    assert content == b"Department Name,Total Number of Sales\nBooks,4000\nToys,3\n"
    assert response["Content-Length"] == str(len(content))


async def test_the_rejected_rows_are_downloaded_with_their_reasons(user: User, finished: Finished) -> None:
    job = await database_sync_to_async(finished)(DATA, name="sales.csv.gz")
    response = await download(user, f"/jobs/{job.pk}/rejected.csv")
    assert response.status_code == 200
    assert 'filename="sales-rejected.csv"' in response["Content-Disposition"]
    content = b"".join([piece async for piece in response.streaming_content]).decode()
    header, row = content.splitlines()
    assert header == "rowNumber,Department Name,Date,Number of Sales,error"
    assert row.startswith("3,")


def test_a_report_tells_why_rows_were_rejected(ann: Client, finished: Finished) -> None:
    job = finished(HEADER.encode() + b"Toys,never,1\n" * 1200 + b" ,2024-01-01,1\n")
    page = text(ann.get(f"/jobs/{job.pk}/"))
    assert page.index("1,200 × the date is not a day") < page.index("1 × the department is empty")
    assert f'href="/jobs/{job.pk}/rejected.csv"' in page


def test_rejected_rows_of_a_file_that_nobody_has_read_yet_are_refused(ann: Client, make_upload: MakeUpload) -> None:
    job = make_upload(DATA).jobs.get()
    response = ann.get(f"/jobs/{job.pk}/rejected.csv")
    assert (response.status_code, response.json()["code"]) == (409, "no_result")


def test_rejected_rows_of_somebody_else_are_not_found(
    stranger: User, client_of: Callable[[User], Client], finished: Finished
) -> None:
    job = finished(DATA)
    assert client_of(stranger).get(f"/jobs/{job.pk}/rejected.csv").status_code == 404


def test_a_result_that_is_not_there_yet_is_refused(ann: Client, make_upload: MakeUpload) -> None:
    job = make_upload(DATA).jobs.get()
    response = ann.get(f"/jobs/{job.pk}/result.csv")
    assert (response.status_code, response.json()["code"]) == (409, "no_result")
    page = ann.get(f"/jobs/{job.pk}/result.csv", headers={"Accept": "text/html"})
    assert page.status_code == 409
    assert "Wait until it is done" in text(page)


@pytest.mark.parametrize("page", ["", "result.csv"])
def test_somebody_elses_job_looks_like_none(
    client_of: Callable[[User], Client], stranger: User, finished: Finished, page: str
) -> None:
    job = finished(DATA)
    theirs = client_of(stranger).get(f"/jobs/{job.pk}/{page}")
    none = client_of(stranger).get(f"/jobs/00000000-0000-4000-8000-000000000000/{page}")
    assert theirs.status_code == none.status_code == 404
    assert theirs.content == none.content


@pytest.mark.parametrize("page", ["", "result.csv"])
def test_nobody_is_sent_to_the_login(finished: Finished, page: str) -> None:
    response = Client().get(f"/jobs/{finished(DATA).pk}/{page}")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_actions_are_for_the_owner_by_post_with_csrf_token(
    client_of: Callable[[User], Client], user: User, stranger: User, make_upload: MakeUpload, action: str
) -> None:
    path = f"/jobs/{make_upload(DATA).jobs.get().pk}/{action}"
    assert client_of(stranger).post(path).status_code == 404
    assert client_of(user).get(path).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(path).status_code == 403
    assert Job.objects.get().status == "pending"


def test_cancel_and_retry_answer_scripts_with_the_job_and_forms_with_its_page(
    ann: Client, make_upload: MakeUpload
) -> None:
    job = make_upload(DATA).jobs.get()
    cancelled = ann.post(f"/jobs/{job.pk}/cancel", headers={"Accept": "application/json"})
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    retried = ann.post(f"/jobs/{job.pk}/retry", headers={"Accept": "text/html"})
    assert (retried.status_code, retried["Location"]) == (302, f"/jobs/{job.pk}/")
    assert Job.objects.get().status == "pending"


def test_what_cannot_be_cancelled_says_so(ann: Client, finished: Finished) -> None:
    job = finished(DATA)
    response = ann.post(f"/jobs/{job.pk}/cancel", headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (409, "job_finished")
    assert DepartmentTotal.objects.count() == 2


@pytest.mark.parametrize(
    ("arrange", "state", "label"),
    [
        ("pending", "queued", "Queued"),
        ("claimed", "processing", "Processing"),
        ("cancelling", "cancelling", "Cancelling"),
    ],
)
def test_the_state_is_told_in_a_word(
    ann: Client, make_upload: MakeUpload, arrange: str, state: str, label: str
) -> None:
    job = make_upload(DATA).jobs.get()
    if arrange != "pending":
        lifecycle.claim()
    if arrange == "cancelling":
        lifecycle.cancel(job)
    page = text(ann.get(f"/jobs/{job.pk}/"))
    assert f'data-state="{state}"' in page
    assert f'data-field="label">{label}<' in page
