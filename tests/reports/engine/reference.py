"""What is right, in the plainest Python: the `csv` module and the rules of a sales row, unbounded and slow.

The engine must agree with this on any bytes.
"""

import csv
import io
import re
from datetime import date

csv.field_size_limit(2**31 - 1)

SPACE = " \t\n\r\x0b\x0c"
USUAL_NAMES = {
    "department": ["departmentname", "department", "dept"],
    "date": ["date", "saledate"],
    "sales": ["numberofsales", "sales", "quantity"],
}


class Unreadable(Exception):
    """The file as a whole cannot be read; the message is the code."""


def aggregate(data: bytes) -> tuple[dict[str, int], int, int]:
    """Totals per department, rows, bad rows."""
    text = decode(data)
    delimiter, header = find_header(text)
    totals: dict[str, int] = {}
    rows = bad_rows = 0
    records = [record for record in read(text, delimiter) if record]
    if header is None:
        width, department_at, date_at, sales_at = 3, 0, 1, 2
    else:
        width, (department_at, date_at, sales_at) = len(records[0]), header  # type: ignore[assignment]
        records = records[1:]
    for record in records:
        rows += 1
        good = len(record) == width
        if good:
            department, sales = record[department_at].strip(SPACE), record[sales_at].strip(SPACE)
            good = department != "" and is_whole_number(sales)
            good = good and (date_at is None or is_day(record[date_at].strip(SPACE)))
        if good:
            totals[department] = totals.get(department, 0) + int(sales)
        else:
            bad_rows += 1
    return dict(sorted(totals.items())), rows, bad_rows


def decode(data: bytes) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    elif data.startswith(b"\xff\xfe"):
        return data[2:].decode("utf-16-le", "replace")
    elif data.startswith(b"\xfe\xff"):
        return data[2:].decode("utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("windows-1252", "replace")


def read(text: str, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def find_header(text: str) -> tuple[str, tuple[int, int | None, int] | None]:
    """The delimiter, and the positions of department, date and sales; None for a file without a header."""
    firsts = {delimiter: next((r for r in read(text, delimiter) if r), None) for delimiter in ",;\t|"}
    if None in firsts.values():
        raise Unreadable("empty_file")
    for delimiter, first in firsts.items():
        assert first is not None
        names = [re.sub(r"[\s_-]", "", name).lower() for name in first]
        found = {role: next((names.index(n) for n in usual if n in names), None) for role, usual in USUAL_NAMES.items()}
        if found["department"] is not None and found["sales"] is not None:
            return delimiter, (found["department"], found["date"], found["sales"])
    for delimiter, first in firsts.items():
        assert first is not None
        if len(first) == 3:
            department, day, sales = (field.strip(SPACE) for field in first)
            if department and is_day(day) and is_whole_number(sales):
                return delimiter, None
    longest = max(firsts.values(), key=lambda first: len(first or []))
    raise Unreadable("not_csv" if "\0" in "".join(longest or []) else "missing_columns")


def is_whole_number(value: str) -> bool:
    return re.fullmatch(r"[0-9]+", value) is not None


def is_day(value: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
