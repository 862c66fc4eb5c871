"""What an upload tells of its kind and its columns, as the site knows them."""

from argparse import Namespace
from typing import Any

import pytest

from salesagg.client import kinds
from salesagg.client.errors import Unusable


def kind(name: str, /, *, has_result: bool, **keys: str) -> dict[str, Any]:
    return {"kind": name, "hasResult": has_result, "columns": [{"role": role, "key": keys[role]} for role in keys]}


KINDS = [
    kind("sales", has_result=True, department="department", date="date", sales="sales"),
    kind("customers", has_result=False, name="name_column", email="email_column"),
]


def chosen(**options: Any) -> dict[str, str]:
    unsaid: dict[str, Any] = {
        "kind": None,
        "columns": [],
        "output": None,
        "department": None,
        "date": None,
        "sales": None,
    }
    return kinds.chosen(KINDS, Namespace(**{**unsaid, **options}))


def test_nothing_chosen_is_nothing_told() -> None:
    assert chosen() == {}


def test_columns_of_sales_are_named_either_way() -> None:
    assert chosen(department="Region", date="") == {"department": "Region", "date": ""}
    assert chosen(columns=[("sales", "a=b"), ("date", "")]) == {"sales": "a=b", "date": ""}


def test_columns_of_other_kinds_are_told_under_the_keys_that_the_site_has_for_them() -> None:
    assert chosen(kind="customers", columns=[("name", "Contact person"), ("email", "Mail")]) == {
        "kind": "customers",
        "name_column": "Contact person",
        "email_column": "Mail",
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"kind": "fish"}, "There is no kind “fish” here. There are: sales, customers."),
        ({"columns": [("email", "Mail")]}, "no column “email” in files of the kind “sales”. There are: department,"),
        ({"kind": "customers", "date": "Day"}, "no column “date” in files of the kind “customers”"),
        ({"sales": "a", "columns": [("sales", "b")]}, "The column “sales” is named twice."),
        ({"kind": "customers", "output": "totals.csv"}, "An import has no result to be saved."),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_sent(options: dict[str, Any], told: str) -> None:
    with pytest.raises(Unusable, match=told):
        chosen(**options)
