"""Parse the JSON body of a request."""

import json
from typing import Any


def parse(body: bytes) -> Any:
    """Return what the JSON text `body` holds; None for an empty body.

    Raises `ValueError`: if it is not JSON, if it is nested too deeply to be parsed, and if a string has half of a
    surrogate pair, which no database and no answer can hold.
    """
    try:
        found = json.loads(body or b"null")
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return found
