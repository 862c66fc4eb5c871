"""What all of the API's bodies have in common: camelCase outside, our names inside; what is unknown is refused."""

from typing import Any

from ninja import Schema
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

_BASE = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Out(Schema):
    """A part of an answer."""

    model_config = _BASE

    def as_json(self) -> dict[str, Any]:
        """As all answers of the API write it."""
        return self.model_dump(mode="json", by_alias=True)


class In(Schema):
    """A request's body. A misspelt name is refused, since it would be an option that silently has no effect; and a
    number is no truth value."""

    model_config = _BASE | ConfigDict(extra="forbid", strict=True)


class Params(Schema):
    """What stands after the question mark of an address, where all is text."""

    model_config = _BASE


class FieldProblem(Out):
    field: str = Field(description="Where in the request: `query.limit`, `body.options.amounts`.")
    detail: str


class Problem(Out):
    """A refusal, as RFC 9457 describes it."""

    status: int
    code: str = Field(description="Stable, for programs.")
    detail: str = Field(description="For people: what to do.")
    request_id: str | None = Field(
        default=None, description="By which the operator finds the request in the logs; as the header X-Request-ID."
    )
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
