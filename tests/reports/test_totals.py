"""The table of totals: in any order, searched, a page at a time."""

from collections.abc import Callable

import pytest
from django.test import Client

from reports import runner, totals
from reports.models import Job
from reports.totals import PAGE_ROWS, Query, page_of
from tests.conftest import MakeUpload
from tests.files import HEADER

pytestmark = pytest.mark.django_db(transaction=True)
Finished = Callable[..., Job]
DEPARTMENTS = 2 * PAGE_ROWS + 20


@pytest.fixture
def job(finished: Finished) -> Job:
    """Department 0007 has sales of 7 in one row, or in two where its number is odd."""
    rows = "".join(
        f"Dept {n:04},2024-01-01,{n if n % 2 == 0 else n - 1}\n" + (f"Dept {n:04},2024-01-01,1\n" if n % 2 else "")
        for n in range(DEPARTMENTS)
    )
    return finished((HEADER + rows).encode())


def names(job: Job, **asked: str) -> list[int]:
    return [int(row.name[5:]) for row in page_of(job, Query.read(asked)).rows]


ALL = list(range(DEPARTMENTS))
BY_ROWS = [n for n in ALL if n % 2 == 0] + [n for n in ALL if n % 2]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", ALL[::-1]),
        ("-total", ALL[::-1]),
        ("total", ALL),
        ("name", ALL),
        ("-name", ALL[::-1]),
        ("rows", BY_ROWS),
        ("-rows", BY_ROWS[::-1]),
        ("nonsense", ALL[::-1]),
    ],
)
def test_it_is_sorted_by_any_column_over_all_its_pages(job: Job, sort: str, order: list[int]) -> None:
    pages = [names(job, sort=sort, page=str(page)) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [PAGE_ROWS, PAGE_ROWS, 20]
    assert [name for page in pages for name in page] == order


def test_a_page_beyond_the_last_is_the_last_and_nonsense_the_first(job: Job) -> None:
    assert names(job, page="999") == names(job, page="3")
    for nonsense in ("0", "-1", "x", "9" * 30, "²"):
        assert names(job, page=nonsense) == names(job)


@pytest.mark.parametrize("few", [5, 10_000])
@pytest.mark.parametrize("sort", ["", "total", "name", "-rows"])
def test_a_search_keeps_the_order_and_counts_what_it_finds(
    job: Job, sort: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "FEW", few)
    page = page_of(job, Query.read({"q": "DEPT 001", "sort": sort}))
    assert page.count == 10
    found = [int(row.name[5:]) for row in page.rows]
    assert sorted(found) == list(range(10, 20))
    assert found == [
        name for order in [names(job, sort=sort, page=str(n)) for n in (1, 2, 3)] for name in order if name in found
    ]


def test_a_search_for_what_no_database_holds_finds_as_if_it_were_not_there(job: Job) -> None:
    assert page_of(job, Query.read({"q": "\0dept 001\0"})).count == 10


def test_a_search_without_a_result_says_so_and_leads_back(ann: Client, job: Job) -> None:
    page = ann.get(f"/jobs/{job.pk}/table", {"q": "100%_"}).content.decode()
    assert "No department has “100%_” in its name." in page
    assert f'href="/jobs/{job.pk}/#totals"' in page


def test_a_row_has_its_share_of_all_sales_and_a_bar(finished: Finished) -> None:
    job = finished(HEADER.encode() + b"A,2024-01-01,30\nB,2024-01-01,10\n")
    rows = page_of(job, Query()).rows
    assert [(row.name, str(row.share), str(row.bar)) for row in rows] == [("A", "75.0", "100.0"), ("B", "25.0", "33.3")]


def test_shares_that_mean_nothing_are_not_told(make_upload: MakeUpload) -> None:
    job = make_upload(HEADER.encode() + b"A,2024-01-01,-5\nB,2024-01-01,2\n").jobs.get()
    Job.objects.update(options={"amounts": True})
    runner.run_all()
    job.refresh_from_db()
    assert [(row.share, row.bar) for row in page_of(job, Query()).rows] == [(None, 100), (None, None)]


def test_totals_of_any_size_have_shares(finished: Finished) -> None:
    job = finished(f"{HEADER}A,2024-01-01,{'9' * 900}\nB,2024-01-01,1\n".encode())
    assert [row.share for row in page_of(job, Query()).rows] == [100, 0]


def test_headings_turn_the_order_round_and_say_how_it_is(ann: Client, job: Job) -> None:
    page = ann.get(f"/jobs/{job.pk}/").content.decode()
    assert page.count('aria-sort="descending"') == 1
    assert f'href="/jobs/{job.pk}/?sort=total#totals"' in page
    assert f'href="/jobs/{job.pk}/?sort=name#totals"' in page
    turned = ann.get(f"/jobs/{job.pk}/table", {"sort": "name", "q": "dept"}).content.decode()
    assert 'aria-sort="ascending"' in turned
    assert "?q=dept&amp;sort=-name#totals" in turned
    assert "?q=dept#totals" in turned


def test_the_table_says_where_it_stands(ann: Client, job: Job) -> None:
    page = ann.get(f"/jobs/{job.pk}/table", {"page": "2"}).content.decode()
    assert "51–100 of 120" in page
    assert 'data-key="previous"' in page
    assert 'data-key="last"' in page
