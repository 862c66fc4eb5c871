"""The totals of a finished job as its table shows them: in any order, searched, a page at a time.

At a million departments each page is a range of an index; only a search reads them all, and it reads names alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

from django.db.models import QuerySet

from reports.models import DepartmentTotal, Job

PAGE_ROWS = 50
# What the table can be sorted by, in the order of its columns, and how the database calls it: names are written in order
# of the primary key.
_FIELDS = {"name": "pk", "total": "rank", "rows": "rows"}
# The order in which a column is sorted first: large numbers, then small ones; names from A.
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
            sort=sort if sort.removeprefix("-") in _FIELDS else LARGEST_FIRST,
            search=asked.get("q", "").strip()[:200],
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 10 else 1,
        )

    def address(self, *, sort: str | None = None, page: int = 1) -> str:
        """The query part of the address of another order or page of the same search."""
        sort = sort or self.sort
        asked = {"q": self.search, "sort": "" if sort == LARGEST_FIRST else sort, "page": page if page > 1 else ""}
        return "?" + urlencode({name: value for name, value in asked.items() if value})

    def sorted_by(self, column: str) -> str:
        """How the column is sorted now, as `aria-sort` tells it; empty when the table is not sorted by it."""
        if self.sort.removeprefix("-") != column:
            return ""
        return "descending" if self.sort.startswith("-") else "ascending"

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
            name: {"sorted": self.query.sorted_by(name), "address": self.query.sort_address(name)} for name in _FIELDS
        }


def page_of(job: Job, query: Query) -> Page:
    """The page that `query` asks for; the last one when it asks for more than there are."""
    totals = job.totals.all()
    if query.search:
        totals = totals.filter(name__icontains=query.search)
        count = totals.count()
    else:
        count = job.departments or 0
    page = Page(query, [], count)
    top = job.totals.filter(rank=1).values_list("total", flat=True).first() or "0"
    lines = _lines(totals, query, page.first_row - 1, by_rank=not query.search, count=count)
    page.rows.extend(
        Row(line.rank, line.name, line.total, line.rows, percent(line.total, job.total), bar(line.total, top))
        for line in lines
    )
    return page


def _lines(
    totals: QuerySet[DepartmentTotal], query: Query, start: int, *, by_rank: bool, count: int
) -> list[DepartmentTotal]:
    column, falling = query.sort.removeprefix("-"), query.sort.startswith("-")
    if column == "total":
        # The largest total has the smallest rank.
        order = "rank" if falling else "-rank"
        if by_rank:
            # Ranks have no gaps, so a page is a range of them, however deep in the table it lies.
            low = start if falling else count - start - PAGE_ROWS
            return list(totals.filter(rank__gt=low, rank__lte=low + PAGE_ROWS).order_by(order))
        return list(totals.order_by(order)[start : start + PAGE_ROWS])
    field = _FIELDS[column]
    order_by = [f"-{field}", "-pk"] if falling else [field, "pk"]
    return list(totals.order_by(*dict.fromkeys(order_by))[start : start + PAGE_ROWS])


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
