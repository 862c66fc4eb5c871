"""What is right, in the plainest Python: the `csv` module and the rules of a sales row, unbounded and slow.

The engine must agree with this on any bytes.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, getcontext

csv.field_size_limit(2**31 - 1)
getcontext().prec = 10_000

SPACE = " \t\n\r\x0b\x0c"
USUAL_NAMES = {
    "department": ["departmentname", "department", "dept"],
    "date": ["date", "saledate"],
    "sales": ["numberofsales", "sales", "quantity"],
}
WORDS = {
    "fields": "the number of fields differs from the header's",
    "department": "the department is empty",
    "date": "the date is not a day written YYYY-MM-DD",
    "sales": "the sales are not a whole number from 0",
    "amount": "the sales are not a number",
    "long": "the row is too long; a quotation mark is probably not closed",
}


# A first line with more columns than a worksheet has is no header.
MOST_COLUMNS = 16_384


class Unreadable(Exception):
    """The file as a whole cannot be read; the message is the code."""


@dataclass
class Result:
    """Sales and rows by department and by month, the number of rows, and the rejected ones as the report lists them."""

    departments: dict[tuple[str, ...], tuple[Decimal, int]] = field(default_factory=dict)
    months: dict[str, tuple[Decimal, int]] = field(default_factory=dict)
    rows: int = 0
    rejected: list[list[str]] = field(default_factory=list)


def aggregate(
    data: bytes,
    *,
    named: Mapping[str, Sequence[str]] | None = None,
    amounts: bool = False,
    longest: int = 4 * 1024 * 1024,
) -> Result:
    # Every byte is read as a character; the few that matter are the same in all encodings.
    data, encoding = convert(data)
    text = data.decode("latin-1")

    def readable(value: str) -> str:
        return value.encode("latin-1").decode(encoding, "replace")

    delimiter, start, width, columns = find_columns(text, named or {}, amounts)
    result = Result()
    departments: dict[tuple[str, ...], list[Decimal]] = defaultdict(list)
    months: dict[str, list[Decimal]] = defaultdict(list)
    for fields in read(text[start:], delimiter, longest):
        if fields == []:
            continue
        result.rows += 1
        if isinstance(fields, str):
            faults, fields = ["long"], [fields[: min(longest, 200)]]
        else:
            faults = find_faults(fields, width, columns, amounts)
        if faults:
            words = "; ".join(WORDS["amount" if amounts and fault == "sales" else fault] for fault in faults)
            shown = [readable(value) for value in fields] + [""] * (width - len(fields))
            result.rejected.append([str(result.rows), *shown[:width], words, *shown[width:]])
            continue
        sales = Decimal(fields[columns["sales"][0]].strip(SPACE))
        departments[tuple(readable(fields[column].strip(SPACE)) for column in columns["department"])].append(sales)
        for column in columns["date"]:
            months[fields[column].strip(SPACE)[:7]].append(sales)
    result.departments = {names: (sum(sales, Decimal(0)), len(sales)) for names, sales in sorted(departments.items())}
    result.months = {month: (sum(sales, Decimal(0)), len(sales)) for month, sales in sorted(months.items())}
    return result


def convert(data: bytes) -> tuple[bytes, str]:
    """The bytes without a byte order mark, UTF-16 as UTF-8, and how to read them."""
    if data.startswith(b"\xff\xfe"):
        return data[2:].decode("utf-16-le", "replace").encode(), "utf-8"
    if data.startswith(b"\xfe\xff"):
        return data[2:].decode("utf-16-be", "replace").encode(), "utf-8"
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data, "windows-1252"
    return data, "utf-8"


def read(text: str, delimiter: str, longest: int) -> Iterator[list[str] | str]:
    """The fields of each record, or the text of one that is longer than `longest` without its line end. That one ends
    with the line in which its last character allowed stands."""
    start = 0
    while start < len(text):
        lines = list(io.StringIO(text[start:], newline=""))
        reader = csv.reader(lines, delimiter=delimiter)
        first = 0
        for fields in reader:
            record = "".join(lines[first : reader.line_num])
            # A quote that is never closed takes in whatever else comes.
            is_open = reader.line_num == len(lines) and fields != next(
                csv.reader([*lines[first:], "\n"], delimiter=delimiter)
            )
            if len(record if is_open else record.rstrip("\r\n")) > longest:
                yield record
                end = re.compile("[\r\n]").search(text, start + longest)
                start = end.end() if end else len(text)
                break
            yield fields
            start += len(record)
            first = reader.line_num


Columns = dict[str, list[int]]


def find_columns(text: str, named: Mapping[str, Sequence[str]], amounts: bool) -> tuple[str, int, int, Columns]:
    """The delimiter, where the rows begin, how many fields they have, and the positions of the columns."""
    firsts: dict[str, list[str]] = {}
    for delimiter in ",;\t|":
        records = (fields for fields in read(text, delimiter, len(text)) if isinstance(fields, list))
        first = next((fields for fields in records if fields), None)
        if first is None:
            raise Unreadable("empty_file")
        firsts[delimiter] = first
    longest = max(firsts.values(), key=len)
    firsts = {delimiter: first for delimiter, first in firsts.items() if len(first) <= MOST_COLUMNS}
    for delimiter, first in firsts.items():
        names = [normalise(judged_alone(name)) for name in first]
        columns: Columns = {}
        for role, usual in USUAL_NAMES.items():
            found = [names.index(name) for name in usual if name in names][:1]
            if role in named:
                wanted = [normalise(name) for name in named[role]]
                found = sorted({names.index(name) for name in wanted}) if set(wanted) <= set(names) else []
            columns[role] = found
        if columns["department"] and columns["sales"] and (columns["date"] or not named.get("date")):
            return delimiter, end_of_first(text, delimiter), len(first), columns
    for delimiter, first in firsts.items():
        columns = {"department": [0], "date": [1], "sales": [2]}
        if not named and not find_faults(first, 3, columns, amounts):
            return delimiter, 0, 3, columns
    if "\0" in "".join(longest):
        raise Unreadable("not_csv")
    raise Unreadable("too_many_columns" if len(longest) > MOST_COLUMNS else "missing_columns")


def end_of_first(text: str, delimiter: str) -> int:
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=delimiter)
    next(fields for fields in reader if fields)
    return len("".join(lines[: reader.line_num]))


def normalise(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def judged_alone(name: str) -> str:
    """A header's name is read before the rest of the file is known."""
    raw = name.encode("latin-1")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("windows-1252", "replace")


def find_faults(fields: list[str], width: int, columns: Columns, amounts: bool) -> list[str]:
    if len(fields) != width:
        return ["fields"]
    faults = []
    if any(fields[column].strip(SPACE) == "" for column in columns["department"]):
        faults.append("department")
    if not all(is_day(fields[column].strip(SPACE)) for column in columns["date"]):
        faults.append("date")
    sales = fields[columns["sales"][0]].strip(SPACE)
    if not (is_amount(sales) if amounts else is_whole_number(sales)):
        faults.append("sales")
    return faults


def is_whole_number(value: str) -> bool:
    return re.fullmatch(r"[0-9]+", value) is not None and len(value.lstrip("0")) <= 4000


def is_amount(value: str) -> bool:
    if not re.fullmatch(r"-?([0-9]+|[0-9]*\.[0-9]+)", value):
        return False
    before, _, behind = value.removeprefix("-").partition(".")
    return len(before.lstrip("0")) <= 4000 and len(behind) <= 4000


def is_day(value: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
