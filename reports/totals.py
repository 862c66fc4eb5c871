"""The totals of a finished job as its table shows them: in any order, searched, a page at a time.

At a million departments each page is a range of an index; only a search reads them all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.db.models.functions import Left

from reports.models import DepartmentTotal, Job
from salesagg.core.shown import SHOWN_CHARACTERS, cut

PAGE_ROWS = 50
# More found than this are not ordered in memory.
FEW = 10_000
# Of a name that is longer a search looks at so much.
SEARCHED_CHARACTERS = 1000
# A limit that is none: without one Django would count in an order of the database's choice.
_ALL = 2**40
# The columns that sort the table, and the order in which each does so first: large numbers before small, names from A.
_FIRST = {"name": "name", "total": "-total", "rows": "-rows"}
LARGEST_FIRST = "-total"


@dataclass(frozen=True)
class Query:
    """What a reader asks of the table: `sort` is a column, with a minus sign for falling order."""

    sort: str = LARGEST_FIRST
    search: str = ""
    page: int = 1

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> "Query":
        """From an address; what makes no sense there is as if it were not there."""
        sort = asked.get("sort", "")
        page = asked.get("page", "")
        return cls(
            sort=sort if sort.removeprefix("-") in _FIRST else LARGEST_FIRST,
            # No stored name has a NUL, and PostgreSQL takes none.
            search=asked.get("q", "").replace("\0", "").strip()[:200],
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 10 else 1,
        )

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def falling(self) -> bool:
        return self.sort.startswith("-")

    @property
    def order(self) -> list[str]:
        """The order for the database. The largest total has the smallest rank; equal numbers of rows go by name."""
        if self.column == "total":
            return ["rank" if self.falling else "-rank"]
        sign = "-" if self.falling else ""
        return [f"{sign}pk"] if self.column == "name" else [f"{sign}rows", f"{sign}pk"]

    def address(self, *, sort: str | None = None, page: int = 1) -> str:
        """The query part of the address of another order or page of the same search."""
        sort = sort or self.sort
        asked = {"q": self.search, "sort": "" if sort == LARGEST_FIRST else sort, "page": page if page > 1 else ""}
        return "?" + urlencode({name: value for name, value in asked.items() if value})

    def sorted_by(self, column: str) -> str:
        """How the column is sorted now, as `aria-sort` tells it; empty when the table is not sorted by it."""
        if self.column != column:
            return ""
        return "descending" if self.falling else "ascending"

    def sort_address(self, column: str) -> str:
        """Where the column's heading leads: to its first order, or to the other way round."""
        first = _FIRST[column]
        other = column if first.startswith("-") else f"-{column}"
        return self.address(sort=other if self.sort == first else first)


@dataclass(frozen=True)
class Row:
    """A line of the table. `share` is its part of all sales in percent; `bar`, from 0 to 100, is for the eye. Both are
    None where they would mean nothing."""

    rank: int
    name: str
    total: str
    rows: int
    share: Decimal | None
    bar: Decimal | None


@dataclass(frozen=True)
class Page:
    """A page of the table: its `rows`, and how many there are in all that match the query."""

    query: Query
    rows: list[Row]
    count: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // PAGE_ROWS))

    @property
    def number(self) -> int:
        return min(max(1, self.query.page), self.pages)

    @property
    def first_row(self) -> int:
        return (self.number - 1) * PAGE_ROWS + 1

    @property
    def last_row(self) -> int:
        return min(self.number * PAGE_ROWS, self.count)

    @property
    def previous(self) -> str:
        return self.query.address(page=self.number - 1) if self.number > 1 else ""

    @property
    def next(self) -> str:
        return self.query.address(page=self.number + 1) if self.number < self.pages else ""

    @property
    def first(self) -> str:
        return self.query.address() if self.number > 1 else ""

    @property
    def last(self) -> str:
        return self.query.address(page=self.pages) if self.number < self.pages else ""

    @property
    def columns(self) -> dict[str, dict[str, str]]:
        """For each column's heading: how it is sorted, and where it leads."""
        return {
            name: {"sorted": self.query.sorted_by(name), "address": self.query.sort_address(name)} for name in _FIRST
        }


def page_of(job: Job, query: Query) -> Page:
    """The page that `query` asks for; the last one when it asks for more than there are."""
    top = job.totals.filter(rank=1).values_list("total", flat=True).first() or "0"
    count, lines = _searched(job, query) if query.search else _ranged(job, query)
    rows = [
        Row(
            line.rank, cut(line.shown_name), line.total, line.rows, percent(line.total, job.total), bar(line.total, top)
        )
        for line in lines
    ]
    return Page(query, rows, count)


def shown(totals: QuerySet[DepartmentTotal]) -> QuerySet[Any]:
    """The same with as much of each name as is shown, as `shown_name`. A name may have megabytes; they then do not
    leave the database."""
    return totals.defer("name").annotate(shown_name=Left("name", SHOWN_CHARACTERS + 1))


def _ranged(job: Job, query: Query) -> tuple[int, list[Any]]:
    """How many there are in all, and a page of them."""
    count = job.departments or 0
    start = Page(query, [], count).first_row - 1
    if query.column == "total":
        # Ranks have no gaps, so a page is a range of them, however deep in the table it lies.
        low = start if query.falling else count - start - PAGE_ROWS
        totals = job.totals.filter(rank__gt=low, rank__lte=low + PAGE_ROWS)
        return count, list(shown(totals).order_by(*query.order))
    return count, list(shown(job.totals.all()).order_by(*query.order)[start : start + PAGE_ROWS])


def _searched(job: Job, query: Query) -> tuple[int, list[Any]]:
    """How many are found, and a page of them.

    A search reads all names. Reading them in the order in which they were written is many times as fast as in any
    other, so what is found is ordered afterwards; unless very many are found, of which a page in any order is near.
    """
    searched = job.totals.annotate(searched=Left("name", SEARCHED_CHARACTERS))
    matching = searched.filter(searched__icontains=query.search)
    as_written = matching.order_by("pk")
    found = list(as_written.values_list("pk", "rank", "rows", named=True)[: FEW + 1])
    count = len(found) if len(found) <= FEW else as_written[:_ALL].count()
    start = Page(query, [], count).first_row - 1
    if count > FEW:
        return count, list(shown(matching).order_by(*query.order)[start : start + PAGE_ROWS])
    key = attrgetter(*(name.removeprefix("-") for name in query.order))
    found.sort(key=key, reverse=query.order[0].startswith("-"))
    keys = [line.pk for line in found[start : start + PAGE_ROWS]]
    return count, list(shown(job.totals.filter(pk__in=keys)).order_by(*query.order))


def percent(part: str, whole: str) -> Decimal | None:
    """What part of `whole` this is, in percent with one decimal; None where that means nothing."""
    try:
        if Decimal(whole or 0) <= 0 or Decimal(part) < 0:
            return None
        return round(100 * Decimal(part) / Decimal(whole), 1)
    except InvalidOperation:
        return None


def bar(total: str, top: str) -> Decimal | None:
    """How long a total's bar is when that of `top`, the largest, is 100; None for one below zero."""
    return percent(total, top)
