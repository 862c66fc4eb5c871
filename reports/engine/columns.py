"""Which of a file's columns is which."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# What people call the columns, the preferred name first. Compared without case, spaces, `_` and `-`.
NAMES = {
    "department": ("departmentname", "department", "dept"),
    "date": ("date", "saledate"),
    "sales": ("numberofsales", "sales", "quantity"),
}
REQUIRED = ("department", "sales")


@dataclass(frozen=True)
class Columns:
    """Positions, from 0, of the columns that matter; `date` is None where the file has no dates."""

    department: int
    sales: int
    date: int | None = None


def normalise(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def find(header: Sequence[str], named: Mapping[str, str] | None = None) -> Columns | None:
    """The columns of a file with this header, or None when a required one is not there.

    `named` maps a role (department, date, sales) to the header name that the user says it has; the other roles are
    found by their usual names. Of several columns with one name the first counts.
    """
    normalised = [normalise(name) for name in header]
    found: dict[str, int] = {}
    for role, usual in NAMES.items():
        wanted = (normalise(named[role]),) if named and role in named else usual
        position = next((normalised.index(name) for name in wanted if name in normalised), None)
        if position is not None:
            found[role] = position
    if any(role not in found for role in REQUIRED) or (named and any(role not in found for role in named)):
        return None
    return Columns(**found)
