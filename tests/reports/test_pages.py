"""Dashboard and report, and what can be done on them."""

import gzip
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from reports import lifecycle, runner, sofar
from reports.models import DepartmentTotal, Job
from tests.conftest import MakeUpload
from tests.files import HEADER, sales_csv
from uploads import lifecycle as uploads
from uploads.models import Upload

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
    assert page.index(">Books<") < page.index(">4,000<") < page.index(">Toys<")
    assert "Done with 1 rejected row" in page
    assert "<dt>Total sales</dt><dd>4,003</dd>" in page
    assert "<dt>Departments</dt><dd>2</dd>" in page
    assert "<dt>Rejected rows</dt><dd>1</dd>" in page
    assert f'href="/jobs/{job.pk}/result.csv"' in page
    assert "Read as UTF-8" in page


def test_a_failed_job_says_why(ann: Client, finished: Finished) -> None:
    job = finished(b"a,b\n1,2\n")
    page = text(ann.get(f"/jobs/{job.pk}/"))
    assert "No columns for department and sales were found" in page
    assert "result.csv" not in page


def test_a_report_tells_why_rows_were_rejected(ann: Client, finished: Finished) -> None:
    job = finished(HEADER.encode() + b"Toys,never,1\n" * 1200 + b" ,2024-01-01,1\n")
    page = text(ann.get(f"/jobs/{job.pk}/"))
    first = '<span class="count">1,200</span> <span>the date is not'
    second = '<span class="count">1</span> <span>the department is'
    assert page.index(first) < page.index(second)
    assert f'href="/jobs/{job.pk}/rejected.csv"' in page


@pytest.mark.parametrize("page", ["", "body", "table", "remove"])
def test_somebody_elses_job_looks_like_none(
    client_of: Callable[[User], Client], stranger: User, finished: Finished, page: str
) -> None:
    job = finished(DATA)
    same = {"X-Request-ID": "same"}
    theirs = client_of(stranger).get(f"/jobs/{job.pk}/{page}", headers=same)
    none = client_of(stranger).get(f"/jobs/00000000-0000-4000-8000-000000000000/{page}", headers=same)
    assert theirs.status_code == none.status_code == 404
    assert theirs.content == none.content


@pytest.mark.parametrize("page", ["", "body", "table", "remove"])
def test_nobody_is_sent_to_the_login(finished: Finished, page: str) -> None:
    response = Client().get(f"/jobs/{finished(DATA).pk}/{page}")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("action", ["cancel", "retry", "again", "shares"])
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


def test_a_report_shows_the_first_rejected_rows_as_text(ann: Client, finished: Finished) -> None:
    job = finished(HEADER.encode() + b"<b>x</b>,never,1\n" + b"Toys,2024-01-01,many\n" * 30)
    page = text(ann.get(f"/jobs/{job.pk}/"))
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "The first 20 of 31." in page


def test_a_report_lets_its_job_run_again_with_other_columns(ann: Client, finished: Finished) -> None:
    job = finished(b"Shop,Dept,Sales,Takings\nA,Toys,1,10\nB,Toys,2,20.5\n")
    page = text(ann.get(f"/jobs/{job.pk}/"))
    assert "<option selected>Dept</option>" in page
    assert "<option>Shop</option>" in page
    form = {"department": "Shop", "date": "", "sales": "Takings", "amounts": "true"}
    response = ann.post(f"/jobs/{job.pk}/again", form)
    again = Job.objects.exclude(pk=job.pk).get()
    assert response["Location"] == f"/jobs/{again.pk}/"
    runner.run_all()
    again.refresh_from_db()
    assert (again.status, again.total, again.upload_id) == ("completed", "30.5", job.upload_id)
    job.refresh_from_db()
    assert job.total == "3"


def test_a_file_without_the_usual_columns_asks_which_is_which(ann: Client, finished: Finished) -> None:
    job = finished(b"Shop;Takings\nA;1\n")
    page = text(ann.get(f"/jobs/{job.pk}/"))
    assert "Say which column is which" in page
    assert page.count("<option>Takings</option>") == 3


def test_columns_that_are_there_are_chosen_already(ann: Client, finished: Finished) -> None:
    job = finished(b"Shop;Dept;Date;Takings\nA;Toys;2024-01-01;1\n")
    page = text(ann.get(f"/jobs/{job.pk}/"))
    assert page.count("<option selected>Dept</option>") == page.count("<option selected>Date</option>") == 1
    assert page.count("Choose a column") == 1


def test_a_gzip_file_is_asked_about_too(ann: Client, finished: Finished) -> None:
    job = finished(gzip.compress(b"Shop,Takings\nA,1\n"), name="x.csv.gz")
    assert "<option>Takings</option>" in text(ann.get(f"/jobs/{job.pk}/"))


def test_a_column_that_was_said_not_to_be_there_stays_unchosen(ann: Client, finished: Finished) -> None:
    job = finished(DATA)
    ann.post(f"/jobs/{job.pk}/again", {"department": "Department Name", "date": "", "sales": "Number of Sales"})
    runner.run_all()
    page = text(ann.get(f"/jobs/{Job.objects.exclude(pk=job.pk).get().pk}/"))
    assert "<option selected>Number of Sales</option>" in page
    assert "<option selected>Date</option>" not in page


def test_columns_that_are_not_there_are_refused_by_the_new_job(ann: Client, finished: Finished) -> None:
    job = finished(DATA)
    ann.post(f"/jobs/{job.pk}/again", {"department": "Shop", "sales": "Number of Sales"})
    runner.run_all()
    assert Job.objects.exclude(pk=job.pk).get().error_code == "missing_columns"


def test_a_job_whose_file_is_gone_cannot_run_again(ann: Client, finished: Finished) -> None:
    job = finished(DATA)
    uploads.cancel(job.upload)
    response = ann.post(f"/jobs/{job.pk}/again", {}, headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["code"]) == (410, "upload_gone")
    assert 'id="again"' not in text(ann.get(f"/jobs/{job.pk}/"))


def test_a_running_job_shows_what_has_been_added_up_so_far(ann: Client, make_upload: MakeUpload, settings: Any) -> None:
    data = sales_csv(400, departments=30)
    settings.WINDOW_BYTES = len(data) // 4
    job = make_upload(data, chunk=len(data) // 2, whole=False).jobs.get()
    assert "The first totals appear here" in text(ann.get(f"/jobs/{job.pk}/"))
    runner.run_all()
    job.refresh_from_db()
    page = text(ann.get(f"/jobs/{job.pk}/body"))
    assert job.status == "processing"
    assert "Partial totals." in page
    assert f"<dt>Rows</dt><dd>{job.rows}</dd>" in page
    # Not all thirty, and largest first.
    rows = data.decode().splitlines()[1 : job.rows + 1]
    totals = Counter[str]()
    for row in rows:
        totals[row.split(",")[0]] += int(row.split(",")[2])
    shown = re.findall(r'class="name">([^<]+)<', page)
    assert len(shown) == 20
    assert [totals[name] for name in shown] == sorted(totals.values(), reverse=True)[:20]
    assert f"<dt>Total sales</dt><dd>{sum(totals.values()):,}</dd>" in page


def test_partial_totals_of_very_many_departments_are_left_out(
    ann: Client, make_upload: MakeUpload, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sofar, "MAX_STATE_BYTES", 100)
    data = sales_csv(400)
    settings.WINDOW_BYTES = len(data) // 4
    job = make_upload(data, chunk=len(data) // 2, whole=False).jobs.get()
    runner.run_all()
    assert "The first totals appear here" in text(ann.get(f"/jobs/{job.pk}/"))


def test_a_job_is_removed_with_its_files_after_a_question(ann: Client, finished: Finished, files: Path) -> None:
    job = finished(DATA)
    assert "Remove sales.csv?" in text(ann.get(f"/jobs/{job.pk}/remove"))
    assert any(path.is_file() for path in files.rglob("*"))
    assert ann.post(f"/jobs/{job.pk}/remove", headers={"Accept": "text/html"})["Location"] == "/"
    assert not Job.objects.exists()
    assert not Upload.objects.exists()
    assert not DepartmentTotal.objects.exists()
    assert not any(path.is_file() for path in files.rglob("*"))


def test_a_file_stays_as_long_as_another_report_is_made_from_it(ann: Client, finished: Finished) -> None:
    job = finished(DATA)
    again = lifecycle.run_again(job, {})
    assert "The uploaded file stays" in text(ann.get(f"/jobs/{job.pk}/remove"))
    assert ann.post(f"/jobs/{job.pk}/remove", headers={"Accept": "application/json"}).status_code == 204
    runner.run_all()
    again.refresh_from_db()
    assert again.status == "completed"


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
