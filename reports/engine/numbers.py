"""Exact sums of values of any size: whole numbers are `int`, amounts are `Decimal` in a context that never rounds."""

from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from functools import reduce

Number = int | Decimal

# Values have up to `rules.MAX_DIGITS` digits before and after the point; the rest is room for the number of rows. A sum
# that would need rounding raises instead.
EXACT = Context(prec=10_000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation])

# Columns of sums keep a total as ``high * 2**LOW_BITS + low`` in units of ``10**-scale``. Where `high` is beyond its
# limit the total is kept apart: so millions of columns' values add up in 64 bits.
LOW_BITS = 40
LOW_MASK = (1 << LOW_BITS) - 1
HIGH_LIMIT = 1 << 40
AMOUNT_SCALE = 6


def add(one: Number, other: Number) -> Number:
    if isinstance(one, Decimal) or isinstance(other, Decimal):
        return EXACT.add(Decimal(one), Decimal(other))
    return one + other


def total(values: Iterable[Number]) -> Number:
    zero: Number = 0
    return reduce(add, values, zero)


def in_units(value: Number, scale: int) -> int | None:
    """`value` as a whole number of ``10**-scale``; None when it is none, or too large for a column."""
    if isinstance(value, Decimal):
        scaled = value.scaleb(scale, EXACT)
        exponent = scaled.as_tuple().exponent
        units = int(scaled) if isinstance(exponent, int) and (exponent >= 0 or scaled == int(scaled)) else None
    else:
        units = value * 10**scale
    return units if units is not None and -HIGH_LIMIT <= units >> LOW_BITS < HIGH_LIMIT else None


def from_units(units: int, scale: int) -> Number:
    return Decimal(units).scaleb(-scale, EXACT) if scale else units


def size(value: Number) -> int:
    """About how many bytes the value takes in memory."""
    return len(value.as_tuple().digits) // 2 if isinstance(value, Decimal) else value.bit_length() // 8


def text(value: Number, places: int) -> str:
    """`value` in decimal digits, with `places` behind the point."""
    if isinstance(value, Decimal):
        # Adding 0 takes the sign from a negative zero.
        return format(EXACT.add(value, 0).quantize(Decimal(1).scaleb(-places), context=EXACT), "f")
    return str(value)
