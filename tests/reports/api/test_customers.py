"""Customers for programs: listed, searched, exported, changed, deleted."""

import base64
import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from reports import lifecycle
from reports.models import Customer, Job
from tests.reports.test_downloads import content

pytestmark = pytest.mark.django_db(transaction=True)
Imported = Callable[..., Job]
DATA = b"""name,email,phone,company
Ada,Ada@example.org,030 1,Engines
=1+1,ben@example.org,,Boats
Zo\xc3\xab,zoe@example.org,040 2,"Zoos, and more"
"""
CUSTOMERS = "/api/customers"
nobody = Client()


@pytest.fixture
def job(imported: Imported) -> Job:
    return imported(DATA)


@pytest.fixture
def ada(job: Job) -> Customer:
    return Customer.objects.get(name="Ada")


def names(api: Client, **asked: Any) -> list[str]:
    response = api.get(CUSTOMERS, asked)
    assert response.status_code == 200, response.content
    return [each["name"] for each in response.json()["items"]]


def change(api: Client, customer: Customer, **changed: Any) -> Any:
    return api.patch(f"{CUSTOMERS}/{customer.pk}", changed, content_type="application/json")


def refused(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def exported(api: Client, **asked: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content(api.get(f"{CUSTOMERS}.csv", asked)).decode(), newline="")))


def test_one_is_told_with_the_import_that_it_came_with(api: Client, job: Job, ada: Customer) -> None:
    told = api.get(f"{CUSTOMERS}/{ada.pk}").json()
    assert told.pop("createdAt").endswith("Z")
    assert told == {
        "id": ada.pk,
        "name": "Ada",
        "email": "Ada@example.org",
        "phone": "030 1",
        "company": "Engines",
        "jobId": str(job.pk),
        "rowNumber": 1,
        "changedAt": None,
    }
    lifecycle.delete(job)
    assert api.get(f"{CUSTOMERS}/{ada.pk}").json()["jobId"] is None


def test_they_are_listed_newest_first_a_page_at_a_time(api: Client, job: Job, imported: Imported) -> None:
    page = api.get(CUSTOMERS, {"limit": 2}).json()
    assert [each["name"] for each in page["items"]] == ["Zoë", "=1+1"]
    # What comes or goes meanwhile moves nothing that is still to be read.
    imported(b"name,email,company\nNew,new@example.org,N\n")
    Customer.objects.filter(name="Zoë").delete()
    rest = api.get(CUSTOMERS, {"limit": 2, "cursor": page["next"]}).json()
    assert ([each["name"] for each in rest["items"]], rest["next"]) == (["Ada"], None)


def test_a_page_asks_one_query_however_many_there_are(
    api: Client, imported: Imported, django_assert_num_queries: Any
) -> None:
    imported(DATA)
    names(api)
    with CaptureQueriesContext(connection) as once:
        names(api)
    imported(b"name,email,company\n" + b"".join(b"C,c%d@example.org,C\n" % each for each in range(40)))
    with django_assert_num_queries(len(once)):
        assert len(names(api)) == 43


def test_they_are_searched_and_chosen_by_their_import(api: Client, job: Job, imported: Imported) -> None:
    other = imported(b"name,email,company\nBea,bea@example.org,Engines\n")
    assert names(api, q="engin") == ["Bea", "Ada"]
    assert names(api, q="ADA@") == ["Ada"]
    assert names(api, q="ZOË") == ["Zoë"]
    assert names(api, q="040") == ["Zoë"]
    assert names(api, q="nothing like it") == []
    assert names(api, jobId=other.pk) == ["Bea"]
    assert names(api, jobId=other.pk, q="ada") == []
    assert names(api, jobId="0" * 32) == []
    assert names(api, q="\0ada\0") == ["Ada"]
    assert names(api, q="%") == names(api, q="_") == []


@pytest.mark.parametrize(
    "asked", [{"limit": 0}, {"limit": 201}, {"jobId": "7"}, {"q": "x" * 201}, {"cursor": "x" * 201}]
)
def test_what_makes_no_sense_is_refused(api: Client, asked: dict[str, Any]) -> None:
    assert refused(api.get(CUSTOMERS, asked)) == (422, "invalid_request")


@pytest.mark.parametrize(
    "cursor", ["?", "ä", "7", "customer 7", *(f"customer {known}" for known in ("", "-1", "x", "²", 2**63))]
)
def test_a_cursor_that_is_none_of_ours_is_refused(api: Client, cursor: str) -> None:
    for text in (cursor, base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")):
        if text != base64.urlsafe_b64encode(b"customer 7").decode().rstrip("="):
            assert refused(api.get(CUSTOMERS, {"cursor": text})) == (400, "bad_cursor")


def test_they_are_exported_as_a_file_that_can_be_imported_again(api: Client, job: Job) -> None:
    response = api.get(f"{CUSTOMERS}.csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="customers.csv"'
    assert content(response) == DATA
    assert exported(api, q="zoo", jobId=job.pk)[1:] == [["Zoë", "zoe@example.org", "040 2", "Zoos, and more"]]
    assert exported(api, jobId="0" * 32) == [["name", "email", "phone", "company"]]


@pytest.mark.parametrize("safe", ["1", "true", "0", ""])
def test_the_export_can_be_had_safe_for_spreadsheets(api: Client, job: Job, safe: str) -> None:
    cells = exported(api, **({"safe": safe} if safe else {}))
    assert cells[2][0] == ("'=1+1" if safe in ("1", "true") else "=1+1")


def test_one_is_changed_field_by_field(api: Client, ada: Customer) -> None:
    told = change(api, ada, name=" Ada Byron ", phone="").json()
    assert (told["name"], told["email"], told["phone"], told["company"]) == (
        "Ada Byron",
        "Ada@example.org",
        "",
        "Engines",
    )
    assert told["changedAt"]
    assert change(api, ada, email="AB@example.org", name=None).json()["name"] == "Ada Byron"
    ada.refresh_from_db()
    assert (ada.email, ada.email_key) == ("AB@example.org", "ab@example.org")


@pytest.mark.parametrize("changed", [{}, {"name": None}, {"name": "Ada", "email": "Ada@example.org"}])
def test_what_is_as_it_was_is_no_change(api: Client, ada: Customer, changed: dict[str, Any]) -> None:
    assert change(api, ada, **changed).json()["changedAt"] is None


@pytest.mark.parametrize(
    ("changed", "about"),
    [
        ({"name": " "}, "the name is empty"),
        ({"email": ""}, "the e-mail address is empty"),
        ({"email": "nonsense"}, "the e-mail address is not valid"),
        ({"phone": "x" * 65}, "more than 64 characters"),
        ({"company": "x" * 256}, "more than 255 characters"),
        ({"name": "\0"}, "cannot be stored"),
    ],
)
def test_what_an_import_would_reject_is_refused(
    api: Client, ada: Customer, changed: dict[str, Any], about: str
) -> None:
    response = change(api, ada, **changed)
    assert refused(response) == (400, "bad_customer")
    assert about in response.json()["detail"]
    ada.refresh_from_db()
    assert ada.changed_at is None


@pytest.mark.parametrize("changed", [{"nam": "Ada"}, {"name": 7}, {"jobId": None}, {"id": 1}])
def test_what_is_no_field_to_be_changed_is_refused(api: Client, ada: Customer, changed: dict[str, Any]) -> None:
    assert refused(change(api, ada, **changed)) == (422, "invalid_request")


def test_an_address_is_one_customers(api: Client, ada: Customer, imported: Imported, stranger: User) -> None:
    imported(b"name,email,company\nBob's,bobs@example.org,B\n", owner=stranger)
    assert refused(change(api, ada, email="BEN@example.org")) == (409, "email_taken")
    assert change(api, ada, email="ADA@example.org").status_code == 200
    assert change(api, ada, email="bobs@example.org").status_code == 200


def test_one_is_deleted(api: Client, ada: Customer) -> None:
    response = api.delete(f"{CUSTOMERS}/{ada.pk}")
    assert (response.status_code, response.content) == (204, b"")
    assert names(api) == ["Zoë", "=1+1"]
    assert refused(api.delete(f"{CUSTOMERS}/{ada.pk}")) == (404, "not_found")


@pytest.mark.parametrize("customer_id", [0, 2**63 - 1, 2**63, 10**30, "9" * 5000, -1, "x", "1.5"])
def test_an_id_that_is_none_finds_nothing(api: Client, job: Job, customer_id: object) -> None:
    address = f"{CUSTOMERS}/{customer_id}"
    for response in (api.get(address), api.delete(address), api.patch(address, {}, content_type="application/json")):
        assert refused(response) == (404, "not_found")


def test_the_owner_alone_sees_and_changes_them(api: Client, others: list[Client], ada: Customer, job: Job) -> None:
    for other in others:
        assert names(other) == names(other, jobId=job.pk) == []
        assert len(exported(other)) == 1
        assert refused(other.get(f"{CUSTOMERS}/{ada.pk}")) == (404, "not_found")
        assert refused(change(other, ada, name="Eve")) == (404, "not_found")
        assert refused(other.delete(f"{CUSTOMERS}/{ada.pk}")) == (404, "not_found")
    for path in ("", ".csv", f"/{ada.pk}"):
        assert refused(nobody.get(CUSTOMERS + path)) == (401, "unauthorized")
        assert api.post(CUSTOMERS + path).status_code == 405
    ada.refresh_from_db()
    assert ada.name == "Ada"
