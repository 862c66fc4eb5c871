"""The history: one's own jobs, newest first, filtered, searched, a page at a time."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from reports import history, lifecycle
from reports.history import Filter
from reports.models import Job
from tests.conftest import MakeUpload
from tests.files import HEADER, customers_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
GOOD = HEADER.encode() + b"Toys,2024-01-01,3\n"
Finished = Callable[..., Job]


def names(owner: User, **chosen: str) -> list[str]:
    return [job.upload.filename for job in history.page_of(owner, Filter(**chosen))]


@pytest.fixture
def one_of_each(finished: Finished, make_job: Finished) -> None:
    finished(GOOD, name="good.csv")
    finished(GOOD + b"Toys,never,1\n", name="rejects.csv")
    finished(b"a,b\n1,2\n", name="failed.csv")
    lifecycle.cancel(make_job(GOOD, name="cancelled.csv", whole=False, chunk=8))
    make_job(GOOD, name="running.csv", whole=False, chunk=8)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("", ["running.csv", "cancelled.csv", "failed.csv", "rejects.csv", "good.csv"]),
        ("running", ["running.csv"]),
        ("done", ["rejects.csv", "good.csv"]),
        ("rejects", ["rejects.csv"]),
        ("failed", ["failed.csv"]),
        ("cancelled", ["cancelled.csv"]),
    ],
)
def test_it_is_filtered_by_state(user: User, one_of_each: None, state: str, expected: list[str]) -> None:
    assert names(user, state=state) == expected


def test_it_is_filtered_by_kind(user: User, one_of_each: None, imported: Finished) -> None:
    imported(customers_csv(3), name="people.csv")
    assert names(user, kind="customers") == ["people.csv"]
    assert names(user, kind="customers", state="running") == []
    assert names(user, kind="sales", state="done") == ["rejects.csv", "good.csv"]
    assert names(user, kind="sales", search="people") == []


def test_what_was_undone_is_nothing_else(user: User, one_of_each: None, imported: Finished) -> None:
    lifecycle.undo(imported(customers_csv(3) + b",,,\n", name="people.csv"))
    assert names(user, state="undone") == ["people.csv"]
    for state in ("running", "done", "rejects", "failed", "cancelled"):
        assert "people.csv" not in names(user, state=state)


def test_what_is_claimed_or_being_cancelled_is_running(user: User, make_job: Finished) -> None:
    job = make_job(GOOD)
    lifecycle.claim()
    assert names(user, state="running") == ["sales.csv"]
    lifecycle.cancel(job)
    assert names(user, state="running") == ["sales.csv"]


def test_it_is_searched_by_a_part_of_the_name_in_any_case(user: User, make_upload: MakeUpload) -> None:
    for name in ("North 2024.csv", "south 2024.csv", "100%.csv"):
        make_upload(GOOD, name=name)
    assert names(user, search="NORTH") == ["North 2024.csv"]
    assert names(user, search="2024") == ["south 2024.csv", "North 2024.csv"]
    # Signs with a meaning to the database have none here.
    assert names(user, search="%") == ["100%.csv"]
    assert names(user, search="_") == []


def test_state_and_search_go_together(user: User, one_of_each: None) -> None:
    assert names(user, state="done", search="good") == ["good.csv"]


def test_it_has_ones_own_jobs_and_nobody_elses(user: User, stranger: User, make_upload: MakeUpload) -> None:
    make_upload(GOOD, name="mine.csv")
    make_upload(GOOD, name="theirs.csv", owner=stranger)
    assert names(user) == names(user, search=".csv") == names(user, state="running") == ["mine.csv"]


def test_pages_follow_each_other_without_gap_or_repetition(user: User, make_upload: MakeUpload) -> None:
    upload = make_upload(GOOD)
    jobs = Job.objects.bulk_create([Job(owner=user, upload=upload) for _ in range(49)])
    # All in one moment: the order must still be one and the same.
    Job.objects.update(created_at=jobs[0].created_at)
    pages = [history.page_of(user, Filter(), number=number) for number in ("1", "2", "3")]
    assert [len(page) for page in pages] == [20, 20, 10]
    assert len({job.pk for page in pages for job in page}) == 50


@pytest.mark.parametrize(("number", "shown"), [(None, 1), ("0", 2), ("x", 1), ("-1", 2), ("99", 2), ("9" * 30, 2)])
def test_a_page_that_is_not_there_is_the_first_or_the_last(
    user: User, make_upload: MakeUpload, number: str | None, shown: int
) -> None:
    upload = make_upload(GOOD)
    Job.objects.bulk_create([Job(owner=user, upload=upload) for _ in range(20)])
    assert history.page_of(user, Filter(), number=number).number == shown


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Filter()),
        ({"state": "done", "kind": "customers", "q": " a b "}, Filter("done", "a b", "customers")),
        ({"state": "nonsense", "kind": "nonsense", "q": "\0"}, Filter()),
        ({"q": "x" * 999}, Filter("", "x" * 255)),
    ],
)
def test_a_filter_is_read_from_an_address(query: dict[str, str], expected: Filter) -> None:
    assert Filter.read(query) == expected


def test_a_filter_is_written_into_an_address() -> None:
    assert Filter("done", "a&b", "sales").query == "state=done&kind=sales&q=a%26b"
    assert not Filter()
    assert Filter("done")
    assert Filter(kind="sales")


@pytest.mark.parametrize("chosen", [Filter(), Filter("running"), Filter("", "sales"), Filter(kind="sales")])
def test_a_page_costs_the_same_few_queries_however_many_jobs_there_are(
    user: User, make_upload: MakeUpload, chosen: Filter
) -> None:
    upload = make_upload(GOOD)
    Job.objects.bulk_create([Job(owner=user, upload=upload) for _ in range(45)])
    with CaptureQueriesContext(connection) as queries:
        shown = [job.upload.filename for job in history.page_of(user, chosen)]
    assert (len(shown), len(queries)) == (20, 3)


def test_a_page_is_read_along_the_owners_index(user: User) -> None:
    plan: Any = history.jobs_of(user, Filter())[:20].explain()
    if connection.vendor == "sqlite":
        assert "USING INDEX job_by_owner (owner_id=?)" in plan
    else:
        # A small table is read whole; what matters is that the order can come from the index.
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        assert "job_by_owner" in history.jobs_of(user, Filter())[:20].explain()
