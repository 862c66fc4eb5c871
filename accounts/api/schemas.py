"""What all of the API's bodies have in common: camelCase outside, our names inside; what is unknown is refused."""

from typing import Any

from ninja import Schema
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

_BASE = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Out(Schema):
    """A part of an answer."""

    model_config = _BASE


class In(Schema):
    """A request's body. A misspelt name is refused, since it would be an option that silently has no effect."""

    model_config = _BASE | ConfigDict(extra="forbid")


class FieldProblem(Out):
    field: str = Field(description="Where in the request: `query.limit`, `body.options.amounts`.")
    detail: str


class Problem(Out):
    """A refusal, as RFC 9457 describes it."""

    status: int
    code: str = Field(description="Stable, for programs.")
    detail: str = Field(description="For people: what to do.")
    errors: list[FieldProblem] | None = Field(
        default=None, description="With the code `invalid_request`: what is invalid."
    )


def problems(*statuses: int) -> dict[int, Any]:
    """For the `response` of an operation: which refusals it has besides those that all have."""
    return dict.fromkeys(statuses, Problem)


# For `openapi_extra` of operations that `accounts.api.once` serves.
IDEMPOTENT = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "description": "A text of your choice, new for each thing to be made. Sent again with the same key, a "
            "request is answered as the first was and does nothing more. Kept for 24 hours.",
            "schema": {"type": "string", "pattern": "^[ -~]*$", "maxLength": 255},
        }
    ]
}
