"""Writing very many rows: what `bulk_create` does, without an object and its checks for each of a million."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from django.db import connection
from django.db.models import Field, Model


def insert(model: type[Model], fields: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of values in the order of `fields`; values are as the database takes them (see `prepared`)."""
    fill(model._meta.db_table, [str(_field(model, name).column) for name in fields], rows)


def fill(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows into a table, by COPY where there is that."""
    quoted = connection.ops.quote_name
    into = f"{quoted(table)} ({', '.join(map(quoted, columns))})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            values = ", ".join(["%s"] * len(columns))
            # Django's type asks for a sequence; a generator does, and a window's rows need not be there all at once.
            cursor.executemany(f"INSERT INTO {into} VALUES ({values})", cast(Any, rows))  # noqa: S608  (names of ours)


def prepared(model: type[Model], field: str, value: Any) -> Any:
    """A value of `field` as the database takes it."""
    return _field(model, field).get_db_prep_value(value, connection)


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    field = model._meta.get_field(name)
    assert isinstance(field, Field)
    return field
