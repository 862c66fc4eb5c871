"""The page of an import: what it tells while the import runs and after, and that it promises nothing it has not."""

import contextlib
import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from accounts.models import User
from reports import lifecycle, runner, turns
from reports.models import Customer, Job
from reports.pipelines import pipeline_for
from tests.conftest import MakeUpload, append
from tests.files import HEADER, customers_csv, sales_csv

pytestmark = pytest.mark.django_db(transaction=True)
Imported = Callable[..., Job]
HEAD = "name,email,phone,company\n"
BAD = b",nobody,,Acme\n" + b"Zoe,zoe@example.org,,\n" * 2


def text(response: Any) -> str:
    content: str = response.content.decode()
    return content


def content(response: Any) -> bytes:
    """All of what is streamed."""

    async def whole() -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    return async_to_sync(whole)()


def page_of(client: Client, job: Job, part: str = "") -> str:
    response = client.get(f"/jobs/{job.pk}/{part}")
    assert response.status_code == 200
    return text(response)


def figures(page: str) -> dict[str, str]:
    terms = [part.split("</dd>")[0] for part in page.split("<dt>")[1:]]
    return dict(term.split("</dt><dd>") for term in terms)


@pytest.fixture
def small_windows(settings: Any) -> None:
    """So that a small file is some windows."""
    settings.IMPORT_WINDOW_BYTES = 2000


def test_it_tells_how_many_rows_were_imported_and_rejected(ann: Client, imported: Imported) -> None:
    job = imported(customers_csv(1500) + BAD)
    page = page_of(ann, job)
    told = figures(page)
    assert (told["Imported"], told["Rejected rows"], told["Rows"]) == ("1,500", "3", "1,503")
    assert "Done with 3 rejected rows" in page
    assert "Read as UTF-8" in page


def test_it_tells_why_rows_were_rejected_and_shows_them(ann: Client, imported: Imported) -> None:
    job = imported(customers_csv(2) + BAD)
    page = page_of(ann, job)
    most = '<span class="count">2</span> <span>the company is empty'
    assert page.index(most) < page.index('<span class="count">1</span> <span>the name is empty')
    assert "the name is empty; the e-mail address is not valid" in page
    assert "<td>zoe@example.org</td>" in page
    assert f'href="/jobs/{job.pk}/rejected.csv"' in page


def test_all_rejected_rows_are_downloaded(ann: Client, imported: Imported) -> None:
    job = imported(customers_csv(1) + BAD * 20, name="people of june.csv")
    with contextlib.closing(ann.get(f"/jobs/{job.pk}/rejected.csv")) as response:
        assert response["Content-Disposition"] == 'attachment; filename="people of june-rejected.csv"'
        lines = list(csv.reader(io.StringIO(content(response).decode())))
    assert lines[0] == ["rowNumber", "name", "email", "phone", "company", "error"]
    assert len(lines) == 61
    assert "The first 20 of 60." in page_of(ann, job)


def test_it_shows_some_customers_and_leads_to_all(ann: Client, imported: Imported) -> None:
    job = imported(b"name,email,company\n<i>Eve</i>,eve@example.org,Acme\n")
    page = page_of(ann, job)
    assert "&lt;i&gt;Eve&lt;/i&gt;" in page
    assert f'href="/customers/?import={job.pk}"' in page


def test_it_shows_no_customers_of_others(ann: Client, imported: Imported, stranger: User) -> None:
    imported(b"name,email,company\nMallory,mallory@example.org,Acme\n", owner=stranger)
    job = imported(b"name,email,company\nEve,eve@example.org,Acme\n")
    page = page_of(ann, job)
    assert "Eve" in page
    assert "Mallory" not in page


def test_it_offers_nothing_that_only_totals_have(ann: Client, imported: Imported) -> None:
    page = page_of(ann, imported(customers_csv(3)))
    for foreign in ("canvas", "chart.umd", "result.csv", "Total sales", "Departments", "Make a link", "department"):
        assert foreign not in page.replace("?kind=sales", "")


def test_a_file_without_a_good_row_imports_nothing_and_says_so(ann: Client, imported: Imported) -> None:
    page = page_of(ann, imported(HEAD.encode() + BAD))
    assert figures(page)["Imported"] == "0"
    assert "Imported customers" not in page
    assert "Undo this import" not in page


def test_it_fills_in_while_the_file_is_still_coming(ann: Client, make_upload: MakeUpload, small_windows: None) -> None:
    data = HEAD.encode() + BAD + customers_csv(120).split(b"\n", 1)[1]
    upload = make_upload(data, chunk=len(data) * 3 // 4, whole=False, kind="customers")
    job = upload.jobs.get()
    assert "The first figures appear here" in page_of(ann, job)
    runner.run_all()
    job.refresh_from_db()
    assert job.status == "processing"
    page = page_of(ann, job, "body")
    told = figures(page)
    assert (told["Rows"], told["Imported"]) == (str(job.rows), str(Customer.objects.count()))
    assert told["Rejected rows"] == "3"
    assert "% of the file has been read" in page
    # Not from the job's row, which has the reasons at its end alone.
    assert '<span class="count">2</span> <span>the company is empty' in page
    assert "<td>zoe@example.org</td>" in page
    assert "Imported customers" in page
    assert "Undo this import" not in page
    append(upload, data[upload.offset :])
    runner.run_all()
    assert figures(page_of(ann, job, "body"))["Imported"] == "120"


def test_what_was_imported_before_it_was_cancelled_is_told_with_the_reasons(
    ann: Client, make_upload: MakeUpload, small_windows: None
) -> None:
    data = HEAD.encode() + BAD + customers_csv(120).split(b"\n", 1)[1]
    job = make_upload(data, chunk=len(data) * 3 // 4, whole=False, kind="customers").jobs.get()
    runner.run_all()
    lifecycle.cancel(job)
    page = page_of(ann, job)
    assert "What it had imported until then stays, unless you undo it." in page
    assert '<span class="count">2</span> <span>the company is empty' in page
    assert "Undo this import" in page


def test_one_that_waits_for_another_says_so(ann: Client, make_upload: MakeUpload) -> None:
    first, second = (make_upload(customers_csv(3), kind="customers").jobs.get() for _ in range(2))
    sales = make_upload(sales_csv(3)).jobs.get()
    waits = "Another import of yours is worked on first"
    assert waits in page_of(ann, second)
    assert waits not in page_of(ann, first)
    assert waits not in page_of(ann, sales)
    lifecycle.claim()
    assert waits not in page_of(ann, first)
    assert waits in page_of(ann, second, "body")
    lifecycle.cancel(second)
    assert waits not in page_of(ann, second)


def test_nobody_waits_for_an_import_of_somebody_else(make_upload: MakeUpload, stranger: User) -> None:
    make_upload(customers_csv(3), kind="customers", owner=stranger)
    assert not turns.is_waiting(make_upload(customers_csv(3), kind="customers").jobs.get())


def test_one_that_is_being_worked_on_waits_for_none(make_upload: MakeUpload) -> None:
    older, job = (make_upload(customers_csv(3), kind="customers").jobs.get() for _ in range(2))
    lifecycle.cancel(older)
    lifecycle.claim()
    # The older one goes on, and would be first if nobody were at work.
    lifecycle.retry(older)
    assert not turns.is_waiting(job)
    assert turns.is_waiting(older)


def test_it_has_no_table_of_totals(ann: Client, imported: Imported) -> None:
    job = imported(customers_csv(3))
    for path in ("table", "result.csv"):
        response = ann.get(f"/jobs/{job.pk}/{path}")
        assert (response.status_code, response.json()["code"]) == (409, "no_result")


@pytest.mark.parametrize("page", ["", "body", "rejected.csv"])
def test_somebody_elses_import_looks_like_none(
    client_of: Callable[[User], Client], stranger: User, imported: Imported, page: str
) -> None:
    job = imported(customers_csv(3))
    assert client_of(stranger).get(f"/jobs/{job.pk}/{page}").status_code == 404
    assert Client().get(f"/jobs/{job.pk}/{page}")["Location"].startswith("/accounts/login/")


def test_it_is_only_read(ann: Client, imported: Imported) -> None:
    job = imported(customers_csv(3))
    assert ann.post(f"/jobs/{job.pk}/").status_code == 405


def test_another_kind_of_rows_has_a_page_that_says_nothing_of_customers(
    ann: Client, imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a pipeline that somebody adds has it, with no template of its own."""
    monkeypatch.setattr("reports.importpage._own_template", lambda kind: "")
    monkeypatch.setattr(type(pipeline_for("customers")), "title", "Parcels")
    job = imported(customers_csv(3) + BAD, name="parcels.csv")
    page = page_of(ann, job)
    assert figures(page)["Imported"] == "3"
    assert "customer" not in page.split("<main")[1].replace('value="customers"', "").lower()


# Running again.


def options(page: str, key: str) -> str:
    return page.split(f'name="{key}"')[1].split("</select>")[0]


def test_it_lets_its_file_run_again_with_other_columns(ann: Client, imported: Imported) -> None:
    job = imported(b"Name,Firm,Company,Mail\nEve,Acme,Wrong,eve@example.org\n")
    page = page_of(ann, job)
    assert "<option selected>Company</option>" in options(page, "company_column")
    assert "<option selected>Mail</option>" in options(page, "email_column")
    assert options(page, "phone_column").startswith(' class="form-select"><option value="">none</option>')
    assert "selected" not in options(page, "phone_column")
    lifecycle.undo(job)
    form = {
        "kind": "customers",
        "name_column": "Name",
        "email_column": "Mail",
        "phone_column": "",
        "company_column": "Firm",
    }
    response = ann.post(f"/jobs/{job.pk}/again", form)
    again = Job.objects.exclude(pk=job.pk).get()
    assert response["Location"] == f"/jobs/{again.pk}/"
    runner.run_all()
    assert Customer.objects.get().company == "Acme"
    assert "<option selected>Firm</option>" in options(page_of(ann, again), "company_column")


def test_a_file_of_another_kind_is_found_out_and_run_as_that(ann: Client, finished: Callable[..., Job]) -> None:
    job = finished(customers_csv(3), name="people.csv")
    assert job.error_code == "missing_columns"
    page = page_of(ann, job)
    assert "The file has the columns of another kind: <strong>Customers</strong>." in page
    assert "Run as “Customers”" in page
    ann.post(f"/jobs/{job.pk}/again", {"kind": "customers"})
    runner.run_all()
    again = Job.objects.exclude(pk=job.pk).get()
    assert (again.kind, again.status, again.upload_id) == ("customers", "completed", job.upload_id)
    assert Customer.objects.count() == 3
    assert f'href="/jobs/{job.pk}/"' in page_of(ann, again)
    assert " · Sales · " in page_of(ann, again)


def test_sales_that_came_as_customers_are_found_out_too(ann: Client, imported: Imported) -> None:
    job = imported(sales_csv(20))
    assert "Run as “Sales”" in page_of(ann, job)
    ann.post(f"/jobs/{job.pk}/again", {"kind": "sales"})
    runner.run_all()
    assert Job.objects.exclude(pk=job.pk).get().departments == 5


def test_a_file_of_no_kind_is_not_taken_for_one(ann: Client, finished: Callable[..., Job]) -> None:
    page = page_of(ann, finished(b"Shop;Takings\nA;1\n"))
    assert "Run as" not in page
    assert "Say which column is which" in page


def test_the_form_is_for_another_kind_when_that_is_asked_for(ann: Client, finished: Callable[..., Job]) -> None:
    job = finished(HEADER.encode() + b"Toys,2024-01-01,3\n")
    assert f'href="/jobs/{job.pk}/?kind=customers#again"' in page_of(ann, job)
    page = page_of(ann, job, "?kind=customers")
    assert '<input type="hidden" name="kind" value="customers">' in page
    assert "<option>Department Name</option>" in options(page, "email_column")
    assert 'name="department"' not in page
    assert 'name="amounts"' not in page
    assert f'href="/jobs/{job.pk}/?kind=sales#again"' in page


def test_a_kind_that_is_none_is_not_offered_and_refused(ann: Client, finished: Callable[..., Job]) -> None:
    job = finished(HEADER.encode() + b"Toys,2024-01-01,3\n")
    assert '<input type="hidden" name="kind" value="sales">' in page_of(ann, job, "?kind=parcels")
    response = ann.post(f"/jobs/{job.pk}/again", {"kind": "parcels"})
    assert (response.status_code, response.json()["code"]) == (400, "bad_options")
