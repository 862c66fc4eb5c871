"""Why a row is bad. A row's faults are a set of bits, so that each of its reasons can be told and counted."""

FIELDS = 1
DEPARTMENT = 2
DATE = 4
SALES = 8
TOO_LONG = 16

# Stable, for programs.
CODES = {
    FIELDS: "wrong_number_of_fields",
    DEPARTMENT: "empty_department",
    DATE: "invalid_date",
    SALES: "invalid_sales",
    TOO_LONG: "too_long",
}
_WORDS = {
    FIELDS: "the number of fields differs from the header's",
    DEPARTMENT: "the department is empty",
    DATE: "the date is not a day written YYYY-MM-DD",
    SALES: "the sales are not a whole number from 0",
    TOO_LONG: "the row is too long; a quotation mark is probably not closed",
}
_NOT_AN_AMOUNT = "the sales are not a number"


def codes(faults: int) -> list[str]:
    """The codes of a row's faults."""
    return [code for bit, code in CODES.items() if faults & bit]


def words_for(code: str, *, amounts: bool) -> str:
    """A fault's code for people."""
    return words(next(bit for bit, known in CODES.items() if known == code), amounts=amounts)


def words(faults: int, *, amounts: bool) -> str:
    """A row's faults for people, in one line."""
    told = [_NOT_AN_AMOUNT if amounts and bit == SALES else text for bit, text in _WORDS.items() if faults & bit]
    return "; ".join(told)
