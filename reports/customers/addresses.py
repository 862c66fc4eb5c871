"""Whoever writes addresses of an owner's customers does so one after the other.

Failure story: a person changes a customer's address from z to a, while an import has just written a row with a and
comes to one with z. Each would wait for the other, and the database would end one of them with an error.
"""

from django.db import connection

# What the numbers of our locks begin with.
_CUSTOMERS = 6100


def hold(owner_id: int) -> None:
    """Let nobody else write addresses of this owner's customers until the transaction ends. Where the database is
    SQLite there is one writer at a time anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s::int, %s::int)", [_CUSTOMERS, owner_id % 2**31])
