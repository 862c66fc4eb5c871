"""The dashboard as the server makes it: complete without scripts, and one's own."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from reports import kinds, lifecycle, options
from reports.models import Job
from tests.conftest import MakeUpload
from tests.files import HEADER, customers_csv

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = HEADER.encode() + b"Toys,2024-01-01,3\n"
Finished = Callable[..., Job]


def text(response: Any) -> str:
    assert response.status_code == 200
    content: str = response.content.decode()
    return content


def history_in(page: str) -> str:
    return page.partition('id="history"')[2].partition('id="announcements"')[0]


@pytest.fixture
def many(user: User, make_upload: MakeUpload) -> list[Job]:
    upload = make_upload(GOOD, name="many.csv")
    return [upload.jobs.get(), *Job.objects.bulk_create([Job(owner=user, upload=upload) for _ in range(44)])]


def test_it_shows_the_newest_twenty_and_leads_to_the_older_ones(ann: Client, many: list[Job]) -> None:
    first = history_in(text(ann.get("/")))
    assert first.count('data-job="') == 20
    assert 'href="?page=2"' in first
    assert "Page 1 of 3" in first
    last = history_in(text(ann.get("/?page=3")))
    assert last.count('data-job="') == 5
    assert 'href="?page=2"' in last
    assert "Older" not in last


def test_only_the_first_page_without_a_filter_is_where_new_jobs_come(ann: Client, many: list[Job]) -> None:
    assert 'data-newest="true"' in text(ann.get("/"))
    for query in ("page=2", "state=running", "kind=sales", "q=many"):
        assert 'data-newest="false"' in text(ann.get(f"/?{query}"))


def test_a_filter_stays_chosen_and_goes_along_from_page_to_page(ann: Client, many: list[Job]) -> None:
    page = text(ann.get("/?state=running&kind=sales&q=any"))
    assert '<option value="running" selected>' in page
    assert '<option value="sales" selected>' in page
    assert 'value="any"' in page
    assert 'href="?state=running&amp;kind=sales&amp;q=any&amp;page=2"' in history_in(page)


def test_a_search_text_is_text_and_never_markup(ann: Client, many: list[Job]) -> None:
    assert "<script>alert" not in text(ann.get("/", {"q": '"><script>alert(1)</script>'}))


def test_nothing_found_says_so_with_a_way_back(ann: Client, many: list[Job]) -> None:
    page = history_in(text(ann.get("/?state=failed")))
    assert "No file matches" in page
    assert 'href="/"' in page
    assert "No files yet" not in page


def test_a_new_person_sees_what_to_do_the_limits_and_a_sample_and_no_filters(ann: Client) -> None:
    page = text(ann.get("/"))
    assert "No files yet" in page
    assert "up to 1 TB each" in page
    assert 'href="/sample.csv"' in page
    assert 'href="/sample-customers.csv"' in page
    assert 'action="/" hidden' in page


def test_what_was_over_before_is_shown_in_short_with_what_can_be_done(
    ann: Client, finished: Finished, make_job: Finished
) -> None:
    job = finished(GOOD, name="over.csv")
    page = history_in(text(ann.get("/")))
    assert 'class="job compact"' in page
    assert f'href="/jobs/{job.pk}/remove">' in page
    lifecycle.delete(job)
    make_job(GOOD, name="open.csv", whole=False, chunk=8)
    assert 'class="job compact"' not in history_in(text(ann.get("/")))


def test_an_import_tells_what_was_imported_and_that_it_was_undone(ann: Client, imported: Finished) -> None:
    job = imported(customers_csv(1200) + b",,,\n")
    page = history_in(text(ann.get("/")))
    assert "1,200 imported" in page
    assert "1,201 rows" not in page
    assert "Done with 1 rejected row<" in page
    assert ">Open import</a>" in page
    assert "Open report" not in page
    lifecycle.undo(job)
    page = history_in(text(ann.get("/")))
    assert 'data-state="undone"' in page
    assert ">Undone</span>" in page


def test_its_script_is_told_of_every_kind_and_its_columns(ann: Client) -> None:
    told = text(ann.get("/")).partition('<script id="kinds" type="application/json">')[2].partition("</script>")[0]
    assert json.loads(told) == json.loads(json.dumps(kinds.described(), default=str))
    sales, customers = json.loads(told)
    assert [sales["name"], customers["name"]] == ["sales", "customers"]
    assert [column["key"] for column in sales["columns"]] == ["department", "date", "sales"]
    assert [column["role"] for column in customers["columns"] if column["required"]] == ["name", "email", "company"]
    # Each is a key that an upload's metadata may have.
    assert {column["key"] for kind in (sales, customers) for column in kind["columns"]} <= set(options.keys())


def test_the_question_before_removing_an_import_says_that_its_customers_stay(ann: Client) -> None:
    dialog = text(ann.get("/")).partition('id="remove-dialog"')[2].partition("</dialog>")[0]
    assert '<span data-about="report">The report and its downloads are deleted' in dialog
    assert '<span data-about="import">What it has imported stays' in dialog


def test_the_sample_of_customers_shows_every_thing_that_is_often_wrong(ann: Client, imported: Finished) -> None:
    response = Client().get("/sample-customers.csv")
    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert response["Content-Disposition"] == 'attachment; filename="sample-customers.csv"'
    assert Client().post("/sample-customers.csv").status_code == 405
    job = imported(response.content)
    assert (job.status, job.rows, job.bad_rows) == ("completed", 200, 6)
    assert job.reasons == {
        "empty_name": 2,
        "empty_email": 1,
        "invalid_email": 1,
        "email_repeated": 1,
        "empty_company": 1,
        "wrong_number_of_fields": 1,
    }


def test_it_shows_nobody_elses_jobs_however_they_are_looked_for(
    many: list[Job], stranger: User, client_of: Callable[[User], Client]
) -> None:
    browser = client_of(stranger)
    for query in ("", "?page=2", "?state=running", "?q=many"):
        assert "many.csv" not in text(browser.get(f"/{query}"))


def test_it_is_for_reading_alone_and_for_people_who_are_logged_in(ann: Client) -> None:
    assert ann.post("/").status_code == 405
    response = Client().get("/?state=done")
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/%3Fstate%3Ddone")


@pytest.mark.parametrize("query", ["page=0", "page=x", "state=x&kind=x&page=%00", "q=%00", "q=" + "x" * 3000])
def test_an_address_that_makes_no_sense_shows_a_page_all_the_same(ann: Client, many: list[Job], query: str) -> None:
    text(ann.get(f"/?{query}"))
