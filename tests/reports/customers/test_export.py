"""Customers as CSV."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from reports.customers import export, undoing
from reports.customers.export import chunks, download
from reports.customers.listing import Query
from reports.models import Customer, Job
from tests.files import customers_csv
from tests.reports.test_downloads import content

pytestmark = pytest.mark.django_db(transaction=True)
Imported = Callable[..., Job]
# In the order of the addresses, in which one window's customers are written.
ODD = (
    "name,email,phone,company\n"
    '"Ann ""A."" Lee",a@example.org,+49 30 1,"Acme, Inc."\n'
    '=1+1,b@example.org,,"two\nlines"\n'
    '"\'quoted",C@Example.org,-5,@SUM\n'
    '"Ö\rß",d@example.org,,\N{GRINNING FACE}\n'
).encode()


def exported(owner: User, query: Query | None = None, *, safe: bool = False) -> bytes:
    return b"".join(chunks(owner, query or Query(), safe=safe))


def test_it_is_all_of_ones_customers_in_the_order_of_their_import(
    user: User, stranger: User, imported: Imported
) -> None:
    imported(customers_csv(2, first=8))
    imported(customers_csv(2), owner=stranger)
    imported(customers_csv(2))
    assert (
        exported(user, Query(sort="email", page=7)) == customers_csv(2, first=8) + customers_csv(2).partition(b"\n")[2]
    )


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5])
def test_it_is_complete_whatever_the_batches(
    user: User, imported: Imported, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH", batch)
    imported(customers_csv(4))
    assert exported(user) == customers_csv(4)


def test_without_customers_it_is_a_header(user: User) -> None:
    assert exported(user) == b"name,email,phone,company\n"


def test_it_is_what_a_search_finds(user: User, imported: Imported) -> None:
    job = imported(customers_csv(3))
    imported(customers_csv(3, first=4))
    assert exported(user, Query(search="PERSON 5")) == customers_csv(1, first=5)
    assert exported(user, Query(job=job.pk)) == customers_csv(3)


def test_it_can_be_imported_again_and_is_then_the_same(user: User, imported: Imported) -> None:
    imported(ODD)
    first = exported(user)
    assert first == ODD.replace(b'"\'quoted"', b"'quoted")
    undoing.remove_all(user)
    again = imported(first)
    assert (again.rows, again.bad_rows) == (4, 0)
    assert exported(user) == first


def test_for_a_spreadsheet_nothing_in_it_is_a_formula(user: User, imported: Imported) -> None:
    imported(ODD)
    cells = [cell for row in csv.reader(io.StringIO(exported(user, safe=True).decode(), newline="")) for cell in row]
    assert {"'=1+1", "'@SUM", "'+49 30 1", "-5"} < set(cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_what_is_imported_or_deleted_meanwhile_disturbs_nothing(
    user: User, imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH", 2)
    imported(customers_csv(5))
    pieces = chunks(user, Query())
    begun = [next(pieces), next(pieces)]
    Customer.objects.filter(name__in=["Person 1", "Person 5"]).delete()
    imported(customers_csv(1, first=6))
    assert b"".join([*begun, *pieces]).splitlines() == [
        line for line in customers_csv(6).splitlines() if not line.startswith(b"Person 5")
    ]


def test_between_two_pieces_no_transaction_is_open(user: User, imported: Imported) -> None:
    imported(customers_csv(3))
    pieces = chunks(user, Query())
    assert next(pieces)
    assert next(pieces)
    assert not connection.in_atomic_block
    imported(customers_csv(1, first=4))


def test_as_a_download_it_is_nobody_elses_to_keep(user: User, imported: Imported) -> None:
    imported(customers_csv(3))
    response: Any = download(user, Query())
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="customers.csv"'
    assert response["Cache-Control"] == "private, no-store"
    assert content(response) == customers_csv(3)
