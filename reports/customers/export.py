"""Customers as CSV, in the order in which they were imported; the file can be imported again.

It is made as it is sent, some thousand customers at a time, each lot found by the id where the one before ended: so
neither are a million of them in memory, nor does a transaction last as long as somebody's slow connection.
"""

from collections.abc import Generator

from django.http import StreamingHttpResponse

from accounts import audit, streaming
from accounts.acts import Act
from accounts.models import User
from reports import safe_csv
from reports.customers.changes import FIELDS
from reports.customers.listing import Query, found
from reports.engine.records import line

CONTENT_TYPE = "text/csv; charset=utf-8"
# Customers in one question to the database.
BATCH = 5000


def download(owner: User, query: Query, *, safe: bool = False) -> StreamingHttpResponse:
    """The customers that `query` finds, whatever its page; `safe` is for spreadsheets, see `reports.safe_csv`."""
    audit.record(Act.CUSTOMERS_EXPORTED, account=owner)
    pieces = chunks(owner, query, safe=safe)
    return streaming.stream(pieces, pieces.close, filename="customers.csv", content_type=CONTENT_TYPE)


def chunks(owner: User, query: Query, *, safe: bool = False) -> Generator[bytes, None, None]:
    """That CSV as UTF-8, piece by piece."""
    write = safe_csv.line if safe else line
    yield write(FIELDS).encode()
    customers = found(owner, query).order_by("id").values_list("id", *FIELDS)
    last = 0
    while rows := list(customers.filter(id__gt=last)[:BATCH]):
        last = rows[-1][0]
        yield "".join(write(row[1:]) for row in rows).encode()
