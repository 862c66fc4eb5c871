"""How numbers, sizes and spans of time are written for people, in their language; `format.js` does it alike."""

from decimal import Decimal

from django.utils import formats
from django.utils.translation import gettext, ngettext

MINUTE, DAY = 60, 86_400
# A number with more digits than this, before or behind its point, is not shown with all of them.
SHOWN_DIGITS = 100
_LEADING_DIGITS = 20
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def number(value: int | str | None) -> str:
    """A number of any size, or its decimal digits, in the reader's locale; not a digit is lost up to `SHOWN_DIGITS`. A
    larger number is shown as a power of ten, further places end with an ellipsis; downloads have all of them."""
    if value is None or value == "":
        return "–"
    sign, digits = ("−", str(value)[1:]) if str(value).startswith("-") else ("", str(value))
    whole, _, places = digits.partition(".")
    if len(whole) > SHOWN_DIGITS:
        leading = whole[1 : 1 + _LEADING_DIGITS]
        return f"{sign}{whole[0]}{formats.get_format('DECIMAL_SEPARATOR')}{leading}…×10^{len(whole) - 1}"
    if len(places) > SHOWN_DIGITS:
        places = places[:SHOWN_DIGITS] + "…"
    groups = [whole[max(0, end - 3) : end] for end in range(len(whole), 0, -3)]
    grouped = str(formats.get_format("THOUSAND_SEPARATOR")).join(reversed(groups))
    return sign + grouped + (str(formats.get_format("DECIMAL_SEPARATOR")) + places if places else "")


def size(value: int | None) -> str:
    """Bytes in the unit that suits them, a thousand of one being one of the next."""
    rounded, unit = Decimal(value or 0), 0
    # Rounded each time: what would be told as a thousand of one is one of the next.
    while rounded >= 1000 and unit < len(_UNITS) - 1:
        unit += 1
        rounded = round(Decimal(value or 0) / 1000**unit, 1)
    return f"{number(f'{rounded:f}'.removesuffix('.0'))} {_UNITS[unit]}"


def seconds(value: float, *, tenths: bool = True) -> str:
    """A span of time as people say it, at its largest two units; less than a minute in tenths of a second, or whole."""
    if value < MINUTE:
        return gettext("%(count)s s") % {"count": number(f"{value:.1f}" if tenths else int(value))}
    minutes, rest = divmod(int(value), MINUTE)
    if minutes < 60:
        return gettext("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": rest}
    hours, minutes = divmod(minutes, 60)
    if value < 2 * DAY:
        return gettext("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    days = int(value) // DAY
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": number(days)}
