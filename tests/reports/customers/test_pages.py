"""The pages of a person's customers: the list, its export, and the pages of one customer."""

import html
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from reports import lifecycle
from reports.customers import changes, listing
from reports.models import Customer, Job
from tests.files import customers_csv
from tests.reports.test_downloads import content

pytestmark = pytest.mark.django_db(transaction=True)
Imported = Callable[..., Job]
GOOD = {"name": "Ann Lee", "email": "Ann@Example.org", "phone": "", "company": "Acme"}
HUGE = 2**63


@pytest.fixture
def bob(stranger: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(stranger)


@pytest.fixture
def job(imported: Imported) -> Job:
    return imported(customers_csv(3))


@pytest.fixture
def customer(job: Job) -> Customer:
    return Customer.objects.get(email="person.2@example.org")


def text(response: Any) -> str:
    body: str = response.content.decode()
    return " ".join(body.split())


def names(response: Any) -> list[str]:
    return re.findall(r'<a href="/customers/\d+/">([^<]*)</a>', text(response))


def errors(response: Any) -> dict[str, list[str]]:
    """What stands at each field of the form."""
    found = re.findall(r'id="id_(\w+)_error">(.*?)</div>', text(response))
    return {field: [html.unescape(words) for words in re.findall(r">([^<]+)</p>", each)] for field, each in found}


def test_it_lists_ones_customers_and_nobody_elses(ann: Client, job: Job, stranger: User, imported: Imported) -> None:
    imported(customers_csv(2, first=8), owner=stranger)
    page = ann.get("/customers/")
    assert names(page) == ["Person 3", "Person 2", "Person 1"]
    assert "3 customers" in text(page)
    for shown in ("person.1@example.org", "+49 30 1", "Company 1", f'href="/jobs/{job.pk}/"', "customers.csv", "row 1"):
        assert shown in text(page)
    assert ">Changed<" not in text(page)


def test_without_customers_it_leads_to_the_dashboard(bob: Client, job: Job) -> None:
    page = text(bob.get("/customers/"))
    assert "You have no customers yet." in page
    assert '<a class="btn btn-primary" href="/">' in page
    assert 'role="search"' not in page


def test_a_changed_customer_has_a_mark(ann: Client, customer: Customer) -> None:
    changes.change(customer, **GOOD)
    assert text(ann.get("/customers/")).count(">Changed<") == 1


def test_customers_of_a_deleted_import_stay(ann: Client, job: Job) -> None:
    lifecycle.delete(job)
    page = text(ann.get("/customers/"))
    assert page.count("Deleted import") == 3
    assert "/jobs/" not in page
    assert "Deleted import" in text(ann.get(f"/customers/{Customer.objects.earliest('pk').pk}/"))


@pytest.mark.parametrize("path", ["/customers/", "/customers/table"])
def test_it_is_searched_and_sorted_by_its_address(ann: Client, job: Job, path: str) -> None:
    assert names(ann.get(path, {"q": "PERSON.2@"})) == ["Person 2"]
    assert names(ann.get(path, {"sort": "name"})) == ["Person 1", "Person 2", "Person 3"]
    sorted_page = text(ann.get(path, {"sort": "-email", "q": "person"}))
    assert sorted_page.count('aria-sort="descending"') == 1
    assert 'href="/customers/?q=person&amp;sort=email" data-key="sort-email"' in sorted_page
    nothing = text(ann.get(path, {"q": "<nobody>"}))
    assert "No customer matches." in nothing
    assert "<nobody>" not in nothing


def test_it_can_be_of_one_import(ann: Client, job: Job, stranger: User, imported: Imported) -> None:
    second = imported(customers_csv(2, first=4), name="second.csv")
    theirs = imported(customers_csv(2), owner=stranger, name="theirs.csv")
    page = ann.get("/customers/", {"import": str(second.pk)})
    assert names(page) == ["Person 5", "Person 4"]
    assert f'<option value="{second.pk}" selected>second.csv' in text(page)
    assert f'<option value="{job.pk}">customers.csv' in text(page)
    assert "theirs.csv" not in text(page)
    for other in (theirs.pk, uuid.uuid4()):
        page = ann.get("/customers/", {"import": str(other)})
        assert names(page) == []
        assert f'<option value="{other}" selected>Another import' in text(page)


def test_imports_without_customers_are_not_offered(ann: Client, job: Job, imported: Imported) -> None:
    imported(customers_csv(3), name="all taken.csv")
    Customer.objects.filter(name="Person 1").delete()
    page = text(ann.get("/customers/"))
    assert page.count("<option") == 2
    assert "all taken.csv" not in page


def test_it_has_pages(ann: Client, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_ROWS", 2)
    first, last = ann.get("/customers/"), ann.get("/customers/", {"page": "2"})
    assert (names(first), names(last)) == (["Person 3", "Person 2"], ["Person 1"])
    assert "1–2 of 3" in text(first)
    assert 'href="/customers/?page=2" data-key="next"' in text(first)
    assert 'data-key="previous"' in text(last)
    for odd in ("0", "99", str(HUGE), "9" * 10_000, "x", "\0"):
        assert ann.get("/customers/", {"page": odd}).status_code == 200


@pytest.mark.parametrize("field", ["q", "import", "sort", "page", "safe"])
@pytest.mark.parametrize("value", ["\0", "x" * 10_000, "%", "\N{GRINNING FACE}"])
@pytest.mark.parametrize("path", ["/customers/", "/customers/table", "/customers/customers.csv"])
def test_whatever_is_asked_is_answered(ann: Client, job: Job, path: str, field: str, value: str) -> None:
    response: Any = ann.get(path, {field: value})
    assert response.status_code == 200
    if response.streaming:
        assert content(response).startswith(b"name,email,phone,company\n")


def test_names_are_text_and_never_markup(ann: Client, imported: Imported) -> None:
    name = "<img src=x onerror=alert(1)>"
    imported(f"name,email,company\n{name},a@example.org,{name}\n".encode(), name=f"{name}.csv")
    pk = Customer.objects.get().pk
    for path in ("/customers/", f"/customers/?q={name}", f"/customers/{pk}/", f"/customers/{pk}/delete"):
        page = text(ann.get(path))
        assert "<img src=x" not in page
        assert "&lt;img src=x" in page


def test_the_list_costs_few_questions(ann: Client, imported: Imported, django_assert_max_num_queries: Any) -> None:
    for first in (1, 11, 21):
        imported(customers_csv(10, first=first))
    ann.get("/customers/")
    with django_assert_max_num_queries(7):
        ann.get("/customers/")


def test_what_is_found_is_exported(ann: Client, job: Job) -> None:
    exported: Any = ann.get("/customers/customers.csv")
    assert content(exported) == customers_csv(3)
    assert exported["Content-Disposition"] == 'attachment; filename="customers.csv"'
    assert content(ann.get("/customers/customers.csv", {"q": "person.2@"})) == customers_csv(1, first=2)
    assert content(ann.get("/customers/customers.csv", {"import": str(job.pk), "page": "7"})) == customers_csv(3)
    assert b',"\'+49 30 1",' in content(ann.get("/customers/customers.csv", {"safe": "1"}))


def test_the_list_leads_to_the_export_of_what_it_shows(ann: Client, job: Job) -> None:
    plain, searched = text(ann.get("/customers/")), text(ann.get("/customers/table", {"q": "person", "sort": "name"}))
    assert 'href="/customers/customers.csv?safe=1"' in plain
    assert 'href="/customers/customers.csv?q=person"' in searched
    assert 'href="/customers/customers.csv?q=person&amp;safe=1"' in searched


def test_somebody_elses_customers_are_not_exported(bob: Client, job: Job) -> None:
    for asked in ({}, {"import": str(job.pk)}):
        assert content(bob.get("/customers/customers.csv", asked)) == b"name,email,phone,company\n"


def test_a_customer_is_shown_to_be_changed(ann: Client, customer: Customer) -> None:
    page = text(ann.get(f"/customers/{customer.pk}/"))
    for shown in ('value="Person 2"', 'value="person.2@example.org"', 'value="+49 30 2"', 'value="Company 2"'):
        assert shown in page
    assert f'href="/jobs/{customer.job_id}/"' in page


def test_a_change_is_saved(ann: Client, customer: Customer) -> None:
    path = f"/customers/{customer.pk}/"
    response = ann.post(path, {**GOOD, "name": "  Ann Lee "}, follow=True)
    assert response.redirect_chain == [(path, 302)]
    assert "Your changes have been saved." in text(response)
    assert "<dt>Changed</dt>" in text(response)
    customer.refresh_from_db()
    assert {field: getattr(customer, field) for field in GOOD} == GOOD
    assert customer.email_key == "ann@example.org"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", " ", "The name is empty."),
        ("name", "x" * 10_000, "The name has more than 255 characters."),
        ("email", "ann", "The e-mail address is not valid."),
        ("phone", "1" * 65, "The phone number has more than 64 characters."),
        ("company", "", "The company is empty."),
    ],
)
def test_what_is_wrong_is_told_at_its_field(ann: Client, customer: Customer, field: str, value: str, told: str) -> None:
    response = ann.post(f"/customers/{customer.pk}/", {**GOOD, field: value})
    assert response.status_code == 200
    assert errors(response) == {field: [told]}
    customer.refresh_from_db()
    assert (customer.name, customer.changed_at) == ("Person 2", None)


@pytest.mark.parametrize("field", GOOD)
def test_what_no_database_holds_is_told_at_its_field(ann: Client, customer: Customer, field: str) -> None:
    response = ann.post(f"/customers/{customer.pk}/", {**GOOD, field: "a\0b"})
    assert response.status_code == 200
    assert list(errors(response)) == [field]
    customer.refresh_from_db()
    assert customer.changed_at is None


def test_all_that_is_wrong_is_told_at_once(ann: Client, customer: Customer) -> None:
    assert list(errors(ann.post(f"/customers/{customer.pk}/"))) == ["name", "email", "company"]


def test_an_address_that_is_taken_is_told_at_its_field(ann: Client, customer: Customer) -> None:
    response = ann.post(f"/customers/{customer.pk}/", {**GOOD, "email": "PERSON.1@example.org"})
    assert response.status_code == 409
    assert errors(response) == {"email": ["Another customer of yours has this e-mail address already."]}
    assert 'value="Ann Lee"' in text(response)
    assert "<h1>Person 2</h1>" in text(response)


def test_deleting_asks_first(ann: Client, customer: Customer) -> None:
    path = f"/customers/{customer.pk}/delete"
    page = text(ann.get(path))
    assert "Delete Person 2?" in page
    assert "cannot be undone" in page
    assert Customer.objects.count() == 3
    response = ann.post(path, follow=True)
    assert response.redirect_chain == [("/customers/", 302)]
    assert "“Person 2” has been deleted." in text(response)
    assert names(response) == ["Person 3", "Person 1"]
    assert ann.post(path).status_code == 404


def test_somebody_elses_customer_is_as_one_that_never_was(bob: Client, customer: Customer) -> None:
    for pk in (customer.pk, 0, 999_999_999, HUGE, "9" * 1000, "9" * 10_000):
        for response in (
            bob.get(f"/customers/{pk}/"),
            bob.post(f"/customers/{pk}/", GOOD),
            bob.get(f"/customers/{pk}/delete"),
            bob.post(f"/customers/{pk}/delete"),
        ):
            assert response.status_code == 404
    assert Customer.objects.filter(changed_at=None).count() == 3


def test_who_is_not_logged_in_is_asked_to(customer: Customer) -> None:
    paths = ("", "table", "customers.csv", f"{customer.pk}/", f"{customer.pk}/delete")
    for path in paths:
        assert Client().get(f"/customers/{path}")["Location"] == f"/accounts/login/?next=/customers/{path}"
    for path in paths[3:]:
        assert Client().post(f"/customers/{path}", GOOD)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "", "GET, HEAD"),
        ("POST", "table", "GET, HEAD"),
        ("POST", "customers.csv", "GET, HEAD"),
        ("PUT", "1/", "GET, HEAD, POST"),
        ("DELETE", "1/delete", "GET, HEAD, POST"),
    ],
)
def test_other_methods_are_refused(ann: Client, method: str, path: str, allowed: str) -> None:
    response = ann.generic(method, f"/customers/{path}")
    assert (response.status_code, response["Allow"]) == (405, allowed)


def test_forms_need_their_csrf_token(user: User, customer: Customer) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    for path in ("", "delete"):
        assert client.post(f"/customers/{customer.pk}/{path}", GOOD).status_code == 403
    assert Customer.objects.filter(changed_at=None).count() == 3


def test_every_page_of_somebody_who_is_logged_in_leads_to_it(ann: Client) -> None:
    assert 'href="/customers/"' in text(ann.get("/"))
    assert 'href="/customers/"' not in text(Client().get("/accounts/login/"))
