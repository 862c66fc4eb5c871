"""Customers in the admin: found among many, changed by the rules of an import, deleted; by whom may."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from reports import lifecycle
from reports.admin import customers
from reports.models import Customer, Job
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db(transaction=True)
CUSTOMERS = "/admin/reports/customer/"
DATA = b"Name,E-mail,Phone,Company\nAda,Ada@example.org,030 1,Engines\nBen,ben@example.org,,Boats\n"
Imported = Callable[..., Job]


def address(customer: Customer, page: str = "change") -> str:
    return f"{CUSTOMERS}{customer.pk}/{page}/"


def found(client: Client, **asked: Any) -> list[str]:
    """The names of those that the list has."""
    page = client.get(CUSTOMERS, asked)
    assert page.status_code == 200
    return [customer.name for customer in page.context["cl"].result_list]


def form(**changed: str) -> dict[str, str]:
    return {"name": "Ada", "email": "Ada@example.org", "phone": "030 1", "company": "Engines", **changed}


def plan_of(sql: str) -> str:
    """How the database goes about it; PostgreSQL as if there were more than it can read through."""
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(("EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN ") + sql)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.fixture
def job(imported: Imported) -> Job:
    return imported(DATA)


@pytest.fixture
def ada(job: Job) -> Customer:
    return Customer.objects.get(name="Ada")


@pytest.fixture
def clerk_who_may(make_user: MakeUser, client_of: Callable[[User], Client]) -> Callable[..., Client]:
    """clerk_who_may("view", "change") -> the browser of a staff member who may do that to customers."""

    def make(*verbs: str) -> Client:
        staff = make_user("assistant@example.org", is_staff=True)
        names = [f"{verb}_customer" for verb in verbs]
        staff.user_permissions.set(Permission.objects.filter(codename__in=names))
        return client_of(staff)

    return make


def test_they_are_listed_with_what_operators_look_for_newest_first(admin: Client, job: Job) -> None:
    page = admin.get(CUSTOMERS).content.decode()
    for shown in (
        "Ada@example.org",
        "Engines",
        "ann@example.org",
        f'<a href="/admin/reports/job/{job.pk}/change/">customers.csv</a>',
    ):
        assert shown in page
    assert found(admin) == ["Ben", "Ada"]


def test_the_list_asks_no_more_queries_for_more_customers(
    admin: Client, imported: Imported, django_assert_num_queries: Any
) -> None:
    imported(DATA)
    admin.get(CUSTOMERS)  # begins the session
    with CaptureQueriesContext(connection) as once:
        admin.get(CUSTOMERS)
    imported(b"name,email,company\n" + b"".join(b"C,c%d@example.org,C\n" % each for each in range(30)))
    with django_assert_num_queries(len(once)):
        admin.get(CUSTOMERS)


def test_they_are_found_by_what_identifies_them(
    admin: Client, job: Job, ada: Customer, imported: Imported, stranger: User
) -> None:
    imported(b"name,email,company\nAda of Bob's,ada@example.org,B\nCy,cy@example.org,B\n", owner=stranger)
    assert found(admin, q="ADA@example.org") == ["Ada of Bob's", "Ada"]
    assert found(admin, q="bob@example.org") == ["Cy", "Ada of Bob's"]
    assert found(admin, q=str(ada.pk)) == ["Ada"]
    assert found(admin, q=str(job.pk)) == ["Ben", "Ada"]
    assert found(admin, q="engine") == ["Ada"]
    assert found(admin, q="BEN") == ["Ben"]
    assert found(admin, job__id__exact=job.pk) == ["Ben", "Ada"]
    assert found(admin, owner__id__exact=stranger.pk) == ["Cy", "Ada of Bob's"]


@pytest.mark.parametrize("nonsense", ["nobody", "no@example.org", "9" * 19, "9" * 5000, "\0", "10000000000000000000"])
def test_what_is_not_there_is_not_found(admin: Client, job: Job, nonsense: str) -> None:
    assert found(admin, q=nonsense) == ([] if nonsense != "\0" else ["Ben", "Ada"])


@pytest.mark.parametrize("asked", [{}, {"q": "ada@example.org"}, {"q": "17"}, {"job__id__exact": "a" * 32}])
def test_millions_are_neither_sorted_nor_read_for_a_page(admin: Client, job: Job, asked: dict[str, str]) -> None:
    admin.get(CUSTOMERS)  # begins the session
    with CaptureQueriesContext(connection) as queries:
        admin.get(CUSTOMERS, asked)
    pages = [
        each["sql"] for each in queries if 'FROM "reports_customer"' in each["sql"] and "COUNT(" not in each["sql"]
    ]
    assert pages
    for sql in pages:
        plan = plan_of(sql)
        assert not re.search(
            "TEMP B-TREE|Sort Key" if not asked else "SCAN reports_customer|Seq Scan on reports_c", plan
        )


def test_only_those_changed_since_their_import_can_be_asked_for(admin: Client, ada: Customer) -> None:
    admin.post(address(ada), form(phone="040 2"))
    assert found(admin, changed="yes") == ["Ada"]
    assert found(admin, changed="no") == ["Ben"]
    assert found(admin, changed="perhaps") == ["Ben", "Ada"]


def test_one_is_changed_as_by_its_owner(admin: Client, ada: Customer) -> None:
    assert admin.get(address(ada)).status_code == 200
    answer = admin.post(address(ada), form(name=" Ada Byron ", email="AB@example.org"))
    assert answer["Location"] == CUSTOMERS
    ada.refresh_from_db()
    assert (ada.name, ada.email, ada.email_key) == ("Ada Byron", "AB@example.org", "ab@example.org")
    assert ada.changed_at
    entry = LogEntry.objects.get()
    assert (entry.user.email, entry.object_id) == ("root@example.org", str(ada.pk))


def test_what_was_sent_unchanged_counts_as_no_change(admin: Client, ada: Customer) -> None:
    assert admin.post(address(ada), form())["Location"] == CUSTOMERS
    ada.refresh_from_db()
    assert ada.changed_at is None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"email": "ben@example.org"}, "Another customer of this owner has this e-mail address."),
        ({"email": "BEN@example.org"}, "Another customer of this owner has this e-mail address."),
        ({"email": "nonsense"}, "The e-mail address is not valid."),
        ({"name": ""}, "This field is required."),
        ({"company": "x" * 256}, "at most 255 characters"),
        ({"phone": "\0"}, "Null characters are not allowed."),
    ],
)
def test_what_an_import_would_reject_is_refused_beside_its_field(
    admin: Client, ada: Customer, changed: dict[str, str], told: str
) -> None:
    before = Customer.objects.values().get(pk=ada.pk)
    answer = admin.post(address(ada), form(**changed))
    [field] = changed
    assert told in str(answer.context["adminform"].form.errors[field])
    assert Customer.objects.values().get(pk=ada.pk) == before
    assert not LogEntry.objects.exists()


def test_owner_and_import_are_not_changed_by_hand(admin: Client, ada: Customer, stranger: User) -> None:
    admin.post(address(ada), form(owner=str(stranger.pk), job="", row_number="7"))
    ada.refresh_from_db()
    assert (ada.owner.email, ada.job is None, ada.row_number) == ("ann@example.org", False, 1)


def test_one_that_outlived_its_import_is_shown_and_changed(admin: Client, job: Job, ada: Customer) -> None:
    lifecycle.delete(job)
    assert found(admin) == ["Ben", "Ada"]
    assert admin.post(address(ada), form(name="Ada B."))["Location"] == CUSTOMERS


def test_they_are_deleted_alone_and_together(admin: Client, job: Job, ada: Customer) -> None:
    assert "ada@example.org" in admin.get(address(ada, "delete")).content.decode().lower()
    admin.post(address(ada, "delete"), {"post": "yes"})
    assert found(admin) == ["Ben"]
    chosen = {"action": "delete_selected", "_selected_action": [Customer.objects.get().pk]}
    assert "Customers: 1" in admin.post(CUSTOMERS, chosen).content.decode()
    assert Customer.objects.exists()
    admin.post(CUSTOMERS, {**chosen, "post": "yes"})
    assert not Customer.objects.exists()
    assert Job.objects.exists()
    assert LogEntry.objects.count() == 2


def test_more_than_can_be_looked_at_are_not_deleted_at_once(
    admin: Client, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customers, "MOST_AT_ONCE", 1)
    chosen = {"action": "delete_selected", "_selected_action": "0", "select_across": "1", "post": "yes"}
    assert "undo it on its page" in admin.post(CUSTOMERS, chosen, follow=True).content.decode()
    assert Customer.objects.count() == 2
    admin.post(f"{CUSTOMERS}?q=ada@example.org", chosen)
    assert Customer.objects.get().name == "Ben"


def test_who_may_only_view_changes_and_deletes_nothing(clerk_who_may: Callable[..., Client], ada: Customer) -> None:
    viewer = clerk_who_may("view")
    assert "Ada@example.org" in viewer.get(address(ada)).content.decode()
    assert viewer.post(address(ada), form(name="Eve")).status_code == 403
    assert viewer.post(address(ada, "delete"), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [ada.pk], "post": "yes"}
    viewer.post(CUSTOMERS, chosen)
    ada.refresh_from_db()
    assert ada.name == "Ada"


def test_who_may_delete_customers_needs_no_other_permission(
    clerk_who_may: Callable[..., Client], ada: Customer
) -> None:
    assert clerk_who_may("view", "delete").post(address(ada, "delete"), {"post": "yes"}).status_code == 302
    assert not Customer.objects.filter(pk=ada.pk).exists()


def test_staff_without_permission_and_others_do_not_get_here(
    clerk: Client, ann: Client, client: Client, ada: Customer
) -> None:
    for path in (CUSTOMERS, address(ada), address(ada, "delete")):
        assert clerk.get(path).status_code == 403
        for outsider in (ann, client):
            assert outsider.get(path)["Location"].startswith("/admin/login/")


def test_none_is_added_by_hand(admin: Client) -> None:
    assert admin.get(f"{CUSTOMERS}add/").status_code == 403
    assert admin.post(f"{CUSTOMERS}add/", form()).status_code == 403
    assert not Customer.objects.exists()
