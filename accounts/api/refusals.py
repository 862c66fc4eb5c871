"""How operations describe their refusals: by the code, and when."""

from collections.abc import Mapping
from typing import Any


def refusals(described: Mapping[int, str], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """For `openapi_extra`: what else it shall have, and these descriptions of answers by their status."""
    extra = dict(extra or {})
    told = {status: {"description": description} for status, description in described.items()}
    return {**extra, "responses": {**extra.get("responses", {}), **told}}
