"""What a person chose about a file: which column is what, and whether sales are amounts.

The choices come with an upload, in its metadata, from a form, or as JSON. What is not chosen the engine finds by
itself. A job keeps them as ``{"columns": {role: the header's name}, "amounts": True}``; a date column named ``""``
means that there is none, so that no date is checked.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from accounts.errors import Refusal
from reports.engine import columns

Options = dict[str, Any]

ROLES = tuple(columns.NAMES)
# Longer than any header's name that a person would choose.
MAX_NAME_LENGTH = 1000


def parse(metadata: Mapping[str, str]) -> Options:
    """The options in an upload's metadata: ``department``, ``date`` and ``sales`` with the names of columns, and
    ``amounts`` with ``true`` or ``false``. Raises `Refusal` (400)."""
    amounts = metadata.get("amounts", "false")
    if amounts not in ("true", "false"):
        raise _bad(_("“amounts” is either “true” or “false”."))
    return _options({role: metadata[role] for role in ROLES if role in metadata}, amounts=amounts == "true")


def from_form(data: Mapping[str, str]) -> Options:
    """The same from a form's fields. A department or sales that is left empty is found by its usual names; `date` is
    a choice with an empty value for none; `amounts` is a checkbox. Raises `Refusal` (400)."""
    chosen = {role: data[role] for role in ROLES if data.get(role) or (role == "date" and role in data)}
    return _options(chosen, amounts="amounts" in data)


def from_api(columns: Mapping[str, str | None], *, amounts: bool) -> Options:
    """The same from an API's request; None is what was not chosen. Raises `Refusal` (400)."""
    chosen = {role: name for role in ROLES if (name := columns.get(role)) is not None}
    return _options(chosen, amounts=amounts)


def _options(chosen: Mapping[str, str], *, amounts: bool) -> Options:
    taken: dict[str, str] = {}
    for role, name in chosen.items():
        if len(name) > MAX_NAME_LENGTH:
            raise _bad(_("The name of a column is longer than %(count)s characters.") % {"count": MAX_NAME_LENGTH})
        if "\0" in name:
            raise _bad(_("The name of a column has a character that no name has."))
        plain = columns.normalise(name)
        if not plain and (name or role in columns.REQUIRED):
            raise _bad(_("The name of the column “%(role)s” is empty.") % {"role": role})
        if plain and plain in taken:
            words = {"name": name, "one": taken[plain], "other": role}
            raise _bad(_("The column “%(name)s” cannot be both “%(one)s” and “%(other)s”.") % words)
        taken[plain] = role
    options: Options = {"columns": dict(chosen)} if chosen else {}
    return {**options, "amounts": True} if amounts else options


def _bad(message: str) -> Refusal:
    return Refusal("bad_options", message, status=400)
