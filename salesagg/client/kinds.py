"""What a file is, and what its columns are called: the site knows which kinds there are."""

import argparse
from collections.abc import Sequence

from salesagg.client.errors import Unusable
from salesagg.client.server import Json

NO_RESULT = "An import has no result to be saved. What was rejected can be, by --errors."
# Options of their own, for what is sent most.
_OF_SALES = ("department", "date", "sales")


def chosen(kinds: Sequence[Json], options: argparse.Namespace) -> dict[str, str]:
    """What an upload's metadata tells of the kind and the columns. Raises `Unusable`."""
    known = {kind["kind"]: kind for kind in kinds}
    kind = known.get(options.kind) if options.kind else kinds[0]
    if kind is None:
        raise Unusable(f"There is no kind “{options.kind}” here. There are: {', '.join(known)}.")
    if options.output and not kind["hasResult"]:
        raise Unusable(NO_RESULT)
    keys = {column["role"]: column["key"] for column in kind["columns"]}
    named = [(role, name) for role in _OF_SALES if (name := getattr(options, role)) is not None]
    told = {"kind": options.kind} if options.kind else {}
    for role, name in [*named, *options.columns]:
        if role not in keys:
            there = ", ".join(keys)
            raise Unusable(f"There is no column “{role}” in files of the kind “{kind['kind']}”. There are: {there}.")
        if keys[role] in told:
            raise Unusable(f"The column “{role}” is named twice.")
        told[keys[role]] = name
    return told
