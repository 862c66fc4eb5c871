"""How the API writes kinds and their columns: whichever there are."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from reports import options
from reports.pipelines import pipelines

_KINDS = list(pipelines())
# Each role, and the kinds that have it.
_ROLES = {
    role: [kind for kind, other in pipelines().items() if role in other.columns]
    for pipeline in pipelines().values()
    for role in pipeline.columns
}


def _known_kind(kind: str) -> str:
    if kind not in _KINDS:
        raise ValueError(f"there are the kinds {', '.join(_KINDS)}")
    return kind


def _known_role(role: str) -> str:
    if role not in _ROLES:
        raise ValueError(f"there are the columns {', '.join(_ROLES)}")
    return role


def _described(about: str, **schema: Any) -> WithJsonSchema:
    """An object with a text, or null, for each role."""
    nullable = {"anyOf": [{"type": "string", **schema}, {"type": "null"}]}
    roles = {role: {**nullable, "description": f"Of {', '.join(kinds)}."} for role, kinds in _ROLES.items()}
    return WithJsonSchema({"type": "object", "properties": roles, "additionalProperties": False, "description": about})


Kind = Annotated[str, AfterValidator(_known_kind), WithJsonSchema({"type": "string", "enum": _KINDS})]
ChosenColumns = Annotated[
    dict[Annotated[str, AfterValidator(_known_role)], Annotated[str, Field(max_length=options.MAX_NAME_LENGTH)] | None],
    _described(
        "The header's names of columns that are not found by themselves; null for those that are. An empty name, of a "
        "column that a file can do without: there is none, so nothing of it is checked.",
        maxLength=options.MAX_NAME_LENGTH,
    ),
]
FoundColumns = Annotated[
    dict[str, str | None],
    _described("Which columns were read, by the header's names; null for one that the file does not have."),
]
