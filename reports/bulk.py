"""Writing very many rows: what `bulk_create` does, without an object and its checks for each of a million."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Field, Model

# Rows as `fill` takes them: lines for PostgreSQL's COPY, or the values themselves.
Packed = str | list[Sequence[Any]]
Value = str | int | uuid.UUID | datetime

_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def insert(model: type[Model], fields: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    """Insert rows of values in the order of `fields`; values are as the database takes them (see `prepared`)."""
    fill(model._meta.db_table, [str(_field(model, name).column) for name in fields], pack(rows))


def pack(rows: Iterable[Sequence[Value]]) -> Packed:
    """Rows, made ready for `fill`: what takes a while, and needs no connection."""
    there = list(rows)
    if connection.vendor != "postgresql" or not there:
        return there
    lines = "\n".join(["\t".join(map(str, row)) for row in there]) + "\n"
    plain = lines.count("\t") == len(there) * (len(there[0]) - 1) and lines.count("\n") == len(there)
    if plain and "\\" not in lines and "\r" not in lines:
        return lines
    return "".join(["\t".join([str(value).translate(_ESCAPED) for value in row]) + "\n" for row in there])


def fill(table: str, columns: Sequence[str], rows: Packed) -> None:
    """Insert rows into a table, by COPY where there is that."""
    if not rows:
        return
    quoted = connection.ops.quote_name
    into = f"{quoted(table)} ({', '.join(map(quoted, columns))})"
    with connection.cursor() as cursor:
        if isinstance(rows, str):
            with connection.wrap_database_errors, cursor.copy(f"COPY {into} FROM STDIN") as copy:
                copy.write(rows)
        else:
            values = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {into} VALUES ({values})", rows)  # noqa: S608  (names of ours)  # nosec B608


def end_frozen() -> int:
    """End the connections whose process has stopped in the middle of a COPY; returns how many.

    It may hold rows and locks for which others wait, and PostgreSQL itself would wait for it for ever: to the server it
    is at work, not idle (see `IDLE_TRANSACTION_SECONDS`).
    """
    if connection.vendor != "postgresql" or not settings.IDLE_TRANSACTION_SECONDS:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
            "AND usename = current_user AND state = 'active' AND wait_event = 'ClientRead' AND query LIKE 'COPY %%' "
            "AND query_start < clock_timestamp() - make_interval(secs => %s)",
            [settings.IDLE_TRANSACTION_SECONDS],
        )
        return int(cursor.fetchone()[0])


def prepared(model: type[Model], field: str, value: Any) -> Any:
    """A value of `field` as the database takes it."""
    return _field(model, field).get_db_prep_value(value, connection)


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    field = model._meta.get_field(name)
    assert isinstance(field, Field)
    return field
