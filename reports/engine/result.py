"""The result as a CSV, exactly as the older systems wrote it: sorted by department, LF, quotes where needed."""

from collections.abc import Iterator, Sequence

from reports.engine.numbers import text
from reports.engine.partial import Partial
from reports.engine.records import line

DEPARTMENT, SALES = "Department Name", "Total Number of Sales"


def csv_lines(result: Partial, *, columns: Sequence[str] | None = None) -> Iterator[str]:
    """The lines, of which the first is the header; `columns` are what was grouped by, if not the department."""
    columns = columns or [DEPARTMENT]
    yield line([*columns, SALES])
    for total in result.departments(columns=len(columns)):
        yield line([*total.names, text(total.sales, result.places)])
