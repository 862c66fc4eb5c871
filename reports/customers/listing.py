"""A person's customers as a list: searched, of one import or of all, in some order, a page at a time.

At a million customers a page of the newest ones, or by e-mail address, is a range of an index, from its nearer end. By
name or company they all have to be sorted, and a search reads them all.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower

from accounts.models import User
from reports.models import Customer

PAGE_ROWS = 50
NEWEST_FIRST = "-newest"
# A page number of more digits is nonsense, and would be too large for a database.
_MAX_DIGITS = 9
_MAX_SEARCH_LENGTH = 200
# Each column that sorts the list, and by what it does. Addresses are unique, so that there is nothing to go on with.
_ORDERS = {
    "name": (Lower("name"), F("id")),
    "email": (F("email_key"),),
    "company": (Lower("company"), F("id")),
    "newest": (F("id"),),
}
_SEARCHED = ("name", "email", "company", "phone")


@dataclass(frozen=True)
class Query:
    """What somebody asks of the list: `search` is a part of a name, address, company or phone number, `job` the import
    that customers came from, and `sort` one of the orders, with a minus sign for the other way round."""

    search: str = ""
    job: uuid.UUID | None = None
    sort: str = NEWEST_FIRST
    page: int = 1

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> "Query":
        """From an address; what makes no sense there is as if it were not there."""
        sort, page = asked.get("sort", ""), asked.get("page", "")
        return cls(
            # Nothing stored has a NUL, and PostgreSQL takes none.
            search=asked.get("q", "").replace("\0", "").strip()[:_MAX_SEARCH_LENGTH],
            job=_uuid(asked.get("import", "")),
            sort=sort if sort.removeprefix("-") in _ORDERS else NEWEST_FIRST,
            page=int(page) if page.isascii() and page.isdigit() and len(page) <= _MAX_DIGITS else 1,
        )

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.search or self.job)

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    def address(self, *, sort: str | None = None, page: int = 1) -> str:
        """The query part of the address of another order or page of the same search."""
        sort = sort or self.sort
        asked = {
            "q": self.search,
            "import": self.job or "",
            "sort": "" if sort == NEWEST_FIRST else sort,
            "page": page if page > 1 else "",
        }
        return "?" + urlencode({name: value for name, value in asked.items() if value})

    def sorted_by(self, column: str) -> str:
        """How the column is sorted now, as `aria-sort` tells it; empty when the list is not sorted by it."""
        if self.column != column:
            return ""
        return "descending" if self.sort.startswith("-") else "ascending"

    def sort_address(self, column: str) -> str:
        """Where the column's heading leads: to its first order, or to the other way round."""
        first = NEWEST_FIRST if column == "newest" else column
        other = column if first.startswith("-") else f"-{column}"
        return self.address(sort=other if self.sort == first else first)


@dataclass(frozen=True)
class Page:
    """A page of the list, and how many there are in all that the query finds."""

    query: Query
    rows: list[Customer]
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
    def columns(self) -> dict[str, dict[str, str]]:
        return {
            column: {"sorted": self.query.sorted_by(column), "address": self.query.sort_address(column)}
            for column in _ORDERS
        }

    @property
    def first(self) -> str:
        return self.query.address() if self.number > 1 else ""

    @property
    def previous(self) -> str:
        return self.query.address(page=self.number - 1) if self.number > 1 else ""

    @property
    def next(self) -> str:
        return self.query.address(page=self.number + 1) if self.number < self.pages else ""

    @property
    def last(self) -> str:
        return self.query.address(page=self.pages) if self.number < self.pages else ""


def found(owner: User, query: Query) -> QuerySet[Customer]:
    """The customers of `owner` that `query` asks for, in its order; all its pages."""
    customers = Customer.objects.filter(owner=owner)
    if query.job:
        customers = customers.filter(job=query.job)
    if query.search:
        customers = customers.filter(_matching(query.search))
    falling = query.sort.startswith("-")
    return customers.order_by(*(key.desc() if falling else key.asc() for key in _ORDERS[query.column]))


def page_of(owner: User, query: Query) -> Page:
    """The page that `query` asks for, each customer with its import; the last one when it asks for more than there
    are."""
    customers = found(owner, query)
    # Without an order Django may choose any index for it; in this one a search reads the table as it was written.
    count = customers.order_by().count()
    page = Page(query, [], count)
    keys = _keys(customers, page.first_row - 1, page.last_row, count)
    # Only then the customers themselves: a page in the middle skips many, of which the index alone is read.
    rows = Customer.objects.select_related("job__upload").in_bulk(keys)
    return Page(query, [rows[key] for key in keys if key in rows], count)


def newest(owner: User, query: Query, *, before: int | None, limit: int) -> tuple[list[Customer], int | None]:
    """`limit` of the customers that `query` finds, newest first, from below the id `before`; and the `before` of the
    next ones, or None. What comes or goes meanwhile moves nothing that is still to be read."""
    customers = found(owner, query).order_by("-id")
    if before is not None:
        customers = customers.filter(pk__lt=before)
    rows = list(customers[: limit + 1])
    return rows[:limit], rows[limit - 1].pk if len(rows) > limit else None


def _keys(customers: QuerySet[Customer], start: int, end: int, count: int) -> list[int]:
    """Of the customers from `start` to `end`, reached from the nearer end."""
    if start <= count // 2:
        return list(customers.values_list("pk", flat=True)[start:end])
    return list(customers.reverse().values_list("pk", flat=True)[count - end : count - start])[::-1]


def _matching(search: str) -> Q:
    # SQLite ignores the case of ASCII letters alone.
    ways = {search} if search.isascii() else {search.lower(), search.upper()}
    matching = Q()
    for way in sorted(ways):
        for field in _SEARCHED:
            matching |= Q(**{f"{field}__icontains": way})
    return matching


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
