"""The list of a person's customers: in any order, searched, of one import, a page at a time."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from reports.customers import listing
from reports.customers.listing import PAGE_ROWS, Query, newest, page_of
from reports.models import Customer, Job
from tests.files import customers_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
Imported = Callable[..., Job]
HEADER = "name,email,phone,company\n"
FOUR = (
    HEADER + "Özil,b@example.org,+49 30 100%,Acme\n"
    "anna,d@EXAMPLE.org,,Zeta\n"
    "Zoe,A@example.org,0_30 1,acme Ltd\n"
    "BÄRBEL,c@example.org,,Müller\n"
).encode()


def names(owner: User, **asked: str) -> list[str]:
    return [customer.name for customer in page_of(owner, Query.read(asked)).rows]


def ids(owner: User, **asked: str) -> list[int]:
    return [customer.pk for customer in page_of(owner, Query.read(asked)).rows]


@pytest.fixture
def four(imported: Imported) -> Job:
    return imported(FOUR)


def test_it_has_the_newest_first_and_nobody_elses(user: User, stranger: User, imported: Imported) -> None:
    imported(customers_csv(1))
    imported(customers_csv(2, first=2), owner=stranger)
    imported(customers_csv(1, first=4))
    assert names(user) == ["Person 4", "Person 1"]
    assert page_of(user, Query()).count == 2
    assert page_of(user, Query()).rows[0].job is not None


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("name", ["anna", "BÄRBEL", "Zoe", "Özil"]),
        ("email", ["Zoe", "Özil", "BÄRBEL", "anna"]),
        ("company", ["Özil", "Zoe", "BÄRBEL", "anna"]),
    ],
)
def test_it_is_sorted_by_a_column_and_the_other_way_round(
    user: User, four: Job, sort: str, order: list[str], settings: Any
) -> None:
    if sort == "name":
        # Where Ö stands is for the database to say.
        Customer.objects.filter(name="Özil").delete()
        order = order[:3]
    assert names(user, sort=sort) == order
    assert names(user, sort=f"-{sort}") == order[::-1]


def test_what_makes_no_sense_asks_for_nothing(user: User, four: Job) -> None:
    for sort in ("", "-newest", "phone", "--name", "owner__password", "x" * 10_000):
        assert Query.read({"sort": sort}) == Query()
    for page in ("", "0", "-1", "x", "9" * 30, "²", "1\0"):
        assert ids(user, page=page) == ids(user)
    for job in ("x", "\0", "1" * 10_000, "../"):
        assert Query.read({"import": job}) == Query()


def test_a_page_beyond_the_last_is_the_last(user: User, four: Job) -> None:
    assert ids(user, page="999999999") == ids(user)
    assert page_of(user, Query(page=999_999_999)).number == 1


@pytest.mark.parametrize("sort", ["-newest", "newest", "name", "-name", "email", "-email", "company", "-company"])
def test_pages_together_are_the_whole_list_once(
    user: User, imported: Imported, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(customers_csv(23))
    monkeypatch.setattr(listing, "PAGE_ROWS", 5)
    pages = [ids(user, sort=sort, page=str(number)) for number in range(1, 6)]
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    monkeypatch.setattr(listing, "PAGE_ROWS", 100)
    assert [key for page in pages for key in page] == ids(user, sort=sort)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("zoe", {"Zoe"}),
        ("ÖZIL", {"Özil"}),
        ("özil", {"Özil"}),
        ("bärbel", {"BÄRBEL"}),
        ("D@example", {"anna"}),
        ("ACME", {"Özil", "Zoe"}),
        ("MÜLLER", {"BÄRBEL"}),
        ("+49 30", {"Özil"}),
        (" zoe ", {"Zoe"}),
        ("\0zo\0e", {"Zoe"}),
        ("100%", {"Özil"}),
        ("0_30", {"Zoe"}),
        ("_", {"Zoe"}),
        ("zoe a@", set()),
        ("x" * 10_000, set()),
    ],
)
def test_a_search_looks_for_a_part_of_any_field_ignoring_case(
    user: User, four: Job, search: str, found: set[str]
) -> None:
    assert set(names(user, q=search)) == found
    assert page_of(user, Query.read({"q": search})).count == len(found)


def test_it_can_be_of_one_import(user: User, stranger: User, imported: Imported) -> None:
    first, second = imported(customers_csv(2)), imported(customers_csv(3, first=3))
    theirs = imported(customers_csv(4), owner=stranger)
    assert names(user, **{"import": str(first.pk), "sort": "name"}) == ["Person 1", "Person 2"]
    assert names(user, **{"import": str(second.pk), "q": "person 4"}) == ["Person 4"]
    assert names(user, **{"import": str(theirs.pk)}) == []
    assert names(user, **{"import": str(uuid.uuid4())}) == []


def test_addresses_of_pages_and_orders_keep_the_search(user: User, imported: Imported) -> None:
    job = imported(customers_csv(2 * PAGE_ROWS))
    asked = {"q": "person &", "import": str(job.pk), "sort": "email", "page": "2"}
    query = Query.read(asked)
    assert query.address(page=2) == f"?q=person+%26&import={job.pk}&sort=email&page=2"
    assert query.sort_address("email") == f"?q=person+%26&import={job.pk}&sort=-email"
    assert query.sort_address("newest") == f"?q=person+%26&import={job.pk}"
    assert Query().sort_address("newest") == "?sort=newest"
    assert (query.sorted_by("email"), query.sorted_by("name")) == ("ascending", "")
    page = page_of(user, Query(page=2))
    assert (page.first_row, page.last_row, page.pages) == (51, 100, 2)
    assert (page.previous, page.next) == ("?", "")


def test_a_list_for_programs_goes_on_where_it_was(user: User, stranger: User, imported: Imported) -> None:
    imported(customers_csv(5))
    imported(customers_csv(5), owner=stranger)
    everybody = list(Customer.objects.filter(owner=user).order_by("-id"))
    first, before = newest(user, Query(), before=None, limit=2)
    imported(customers_csv(1, first=6))
    Customer.objects.filter(pk=first[0].pk).delete()
    second, before = newest(user, Query(), before=before, limit=2)
    third, end = newest(user, Query(), before=before, limit=2)
    assert [*first, *second, *third] == everybody
    assert end is None
    assert newest(user, Query(search="person 3"), before=None, limit=2)[0][0].name == "Person 3"
    assert newest(user, Query(), before=everybody[-1].pk, limit=2) == ([], None)
    for huge in (2**63, 10**30):
        assert len(newest(user, Query(), before=huge, limit=2)[0]) == 2
    assert newest(user, Query(), before=-(10**30), limit=2) == ([], None)


def test_a_page_costs_three_questions_however_many_it_shows(
    user: User, imported: Imported, django_assert_num_queries: Any
) -> None:
    imported(customers_csv(30))
    with django_assert_num_queries(3):
        assert len({str(customer.job) for customer in page_of(user, Query()).rows}) == 1
