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

# A role, and the header's name, or names, that the user says it has. An empty name says that there is no such column,
# which only a role that is not required can do without.
Named = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Columns:
    """Positions, from 0, of the columns that matter: `department` is what rows are grouped by, mostly one column;
    `date` is None where the file has no dates."""

    department: tuple[int, ...]
    sales: int
    date: int | None = None


def normalise(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def asked(named: Named) -> list[str]:
    """All the names that the user gave."""
    return [name for names in named.values() for name in ([names] if isinstance(names, str) else names) if name]


def find(header: Sequence[str], named: Named | None = None) -> Columns | None:
    """The columns of a sales file with this header, or None when a required one, or one that was named, is not there.

    Of several columns with one name the first counts.
    """
    found = positions(header, NAMES, named)
    if found is None or any(not found[role] for role in REQUIRED):
        return None
    return Columns(
        department=tuple(found["department"]),
        sales=found["sales"][0],
        date=found["date"][0] if found["date"] else None,
    )


def positions(
    header: Sequence[str], usual: Mapping[str, Sequence[str]], named: Named | None = None
) -> dict[str, list[int]] | None:
    """Where in `header` each role's column is, or its columns; nothing for a role that has none.

    Roles that are not `named` are found by their `usual` names, normalised, the preferred one first. None when one that
    was named is not there.
    """
    normalised = [normalise(name) for name in header]
    named = named or {}
    found: dict[str, list[int]] = {}
    for role, names in usual.items():
        if role in named and not named[role]:
            found[role] = []
        elif role in named:
            wanted = [normalise(name) for name in asked({role: named[role]})]
            if not wanted or any(name not in normalised for name in wanted):
                return None
            # In the file's order, each once: what is grouped by does not depend on how it was asked for.
            found[role] = sorted({normalised.index(name) for name in wanted})
        else:
            found[role] = [normalised.index(name) for name in names if name in normalised][:1]
    return found
