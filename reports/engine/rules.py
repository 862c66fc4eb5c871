"""What makes a value of a sales row good. Values are bytes, since a file's encoding is known only at its end.

Values are trimmed of ASCII white space first. Numbers and dates are ASCII; where Python's own `int()` and
`date.fromisoformat()` accept more (``1_000``, Arabic digits, ``20230101``), these rules decide.
"""

import re
from datetime import date

# More digits than any sale has, and few enough that converting them to and from text stays cheap: Python's conversion
# is quadratic and refuses more than 4,300.
MAX_DIGITS = 4000
_ISO_DAY = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def department(value: bytes) -> bytes | None:
    """The department's name without surrounding space; None when nothing is left."""
    return value.strip() or None


def day(value: bytes) -> date | None:
    """A day that exists, written ``YYYY-MM-DD``."""
    value = value.strip()
    if not _ISO_DAY.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value.decode("ascii"))
    except ValueError:
        return None


def sales(value: bytes) -> int | None:
    """A whole number >= 0, of any size up to `MAX_DIGITS` digits."""
    value = value.strip()
    if not value.isdigit():
        return None
    digits = value.lstrip(b"0") or b"0"
    return int(digits) if len(digits) <= MAX_DIGITS else None
