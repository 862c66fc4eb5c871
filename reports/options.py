"""What a person chose about a file: which kind it is, which column is what, and whether sales are amounts.

The choices come with an upload, in its metadata, from a form, or as JSON. What is not chosen is found in the file. A
job keeps them as ``{"columns": {role: the header's name}, "amounts": True}``. A role that a file can do without may
have an empty name: there is no such column, so nothing of it is checked.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from accounts.errors import Refusal
from reports.engine import columns
from reports.models.jobs import DEFAULT_KIND
from reports.pipelines import Pipeline, pipelines

Options = dict[str, Any]

# Longer than any header's name that a person would choose.
MAX_NAME_LENGTH = 1000
# The one kind whose values may be amounts.
_WITH_AMOUNTS = "sales"


def keys() -> list[str]:
    """All the keys of choices in an upload's metadata or a form."""
    named = [key_of(role, pipeline) for pipeline in pipelines().values() for role in pipeline.columns]
    return ["kind", *named, "amounts"]


def parse(metadata: Mapping[str, str]) -> tuple[str, Options]:
    """The kind and the options in an upload's metadata: ``kind``, ``amounts`` with ``true`` or ``false``, and the names
    of columns: ``department``, ``date`` and ``sales``; of other kinds' under keys like ``email_column``, since clients
    have uses of their own for words as plain as ``name``. Raises `Refusal` (400)."""
    kind = check_kind(metadata.get("kind", DEFAULT_KIND))
    amounts = metadata.get("amounts", "false")
    if amounts not in ("true", "false"):
        raise _bad(_("“amounts” is either “true” or “false”."))
    pipeline = pipelines()[kind]
    chosen = {role: metadata[key] for role in pipeline.columns if (key := key_of(role, pipeline)) in metadata}
    return kind, _options(pipeline, chosen, amounts=amounts == "true")


def from_form(data: Mapping[str, str], kind: str) -> tuple[str, Options]:
    """The same from a form's fields; `kind` is that of one that does not say. A required column that is left empty is
    found by its usual names; one that is not is a choice with an empty value for none; `amounts` is a checkbox. Raises
    `Refusal` (400)."""
    kind = check_kind(data.get("kind", kind))
    pipeline = pipelines()[kind]
    chosen = {}
    for role, column in pipeline.columns.items():
        name = data.get(key_of(role, pipeline))
        if name or (name is not None and not column.required):
            chosen[role] = name
    return kind, _options(pipeline, chosen, amounts="amounts" in data)


def from_api(kind: str, columns: Mapping[str, str | None], *, amounts: bool) -> Options:
    """The same from an API's request; None is what was not chosen. Raises `Refusal` (400)."""
    chosen = {role: name for role, name in columns.items() if name is not None}
    return _options(pipelines()[check_kind(kind)], chosen, amounts=amounts)


def check_kind(kind: str) -> str:
    """`kind`, which is one. Raises `Refusal` (400)."""
    if kind not in pipelines():
        known = ", ".join(f"“{each}”" for each in pipelines())
        raise _bad(_("There is no such kind of file. There are: %(known)s.") % {"known": known})
    return kind


def takes_amounts(pipeline: Pipeline) -> bool:
    return pipeline.kind == _WITH_AMOUNTS


def key_of(role: str, pipeline: Pipeline) -> str:
    """What an upload's metadata or a form calls the column for `role`."""
    return pipeline.columns[role].option or role


def _options(pipeline: Pipeline, chosen: Mapping[str, str], *, amounts: bool) -> Options:
    taken: dict[str, str] = {}
    for role, name in chosen.items():
        if role not in pipeline.columns:
            words = {"role": role, "kind": pipeline.title}
            raise _bad(_("There is no column “%(role)s” in files of the kind “%(kind)s”.") % words)
        if len(name) > MAX_NAME_LENGTH:
            raise _bad(_("The name of a column is longer than %(count)s characters.") % {"count": MAX_NAME_LENGTH})
        if "\0" in name:
            raise _bad(_("The name of a column has a character that no name has."))
        plain = columns.normalise(name)
        if not plain and (name or pipeline.columns[role].required):
            raise _bad(_("The name of the column “%(role)s” is empty.") % {"role": role})
        if plain and plain in taken:
            words = {"name": name, "one": taken[plain], "other": role}
            raise _bad(_("The column “%(name)s” cannot be both “%(one)s” and “%(other)s”.") % words)
        taken[plain] = role
    if amounts and not takes_amounts(pipeline):
        raise _bad(_("Only sales can be amounts."))
    options: Options = {"columns": dict(chosen)} if chosen else {}
    return {**options, "amounts": True} if amounts else options


def _bad(message: str) -> Refusal:
    return Refusal("bad_options", message, status=400)
