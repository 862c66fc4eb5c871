"""Writing very many rows: what `bulk_create` does, without an object and its checks for each of a million."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Field, Model


def insert(model: type[Model], fields: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows of values in the order of `fields`; values are as the database takes them (see `prepared`)."""
    columns = ", ".join(connection.ops.quote_name(str(_field(model, name).column)) for name in fields)
    values = ", ".join(["%s"] * len(fields))
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({values})", rows)  # noqa: S608  (names of ours)


def prepared(model: type[Model], field: str, value: Any) -> Any:
    """A value of `field` as the database takes it."""
    return _field(model, field).get_db_prep_value(value, connection)


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    field = model._meta.get_field(name)
    assert isinstance(field, Field)
    return field
