"""What makes a value of a sales row good. Values are bytes, since a file's encoding is known only at its end.

Values are trimmed of ASCII white space first. Numbers and dates are ASCII; where Python's own `int()` and
`date.fromisoformat()` accept more (``1_000``, Arabic digits, ``20230101``), these rules decide.
"""

import re
from datetime import date
from decimal import Decimal

from reports.engine.numbers import EXACT

# More digits than any sale has, and few enough that converting them to and from text stays cheap: Python's conversion
# is quadratic and refuses more than 4,300.
MAX_DIGITS = 4000
_ISO_DAY = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT = re.compile(rb"(-?)([0-9]*)(?:\.([0-9]+))?")


def department(value: bytes) -> bytes | None:
    """The department's name without surrounding space; None when nothing is left."""
    return value.strip() or None


def month(value: bytes) -> int | None:
    """The month of a day that exists, written ``YYYY-MM-DD``, in months since the year 0."""
    value = value.strip()
    if not _ISO_DAY.fullmatch(value):
        return None
    try:
        day = date.fromisoformat(value.decode("ascii"))
    except ValueError:
        return None
    return day.year * 12 + day.month - 1


def whole(value: bytes) -> int | None:
    """A whole number >= 0, of any size up to `MAX_DIGITS` digits."""
    value = value.strip()
    if not value.isdigit():
        return None
    digits = value.lstrip(b"0") or b"0"
    return int(digits) if len(digits) <= MAX_DIGITS else None


def amount(value: bytes) -> Decimal | None:
    """A decimal, perhaps negative, of up to `MAX_DIGITS` digits on each side of its point; ``.5`` is one, ``5.`` not.

    It has as many places as were written.
    """
    match = _AMOUNT.fullmatch(value.strip())
    if match is None:
        return None
    sign, before, behind = match.groups(b"")
    if not before and not behind:
        return None
    before = before.lstrip(b"0")
    if len(before) > MAX_DIGITS or len(behind) > MAX_DIGITS:
        return None
    return EXACT.create_decimal((sign + (before or b"0") + b"." + behind).decode("ascii"))
