"""The result of a completed job in the forms people ask for: made piece by piece, or written to a binary file."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet
import xlsxwriter

from reports.engine.result import DEPARTMENT, SALES
from reports.models import Job

ROWS = "Rows"
# Rows read from the database, and written, at a time.
_BATCH = 5_000
# A worksheet has no more rows than this, of which one is the heading.
_SHEET_ROWS = 1_048_576
# Spreadsheets calculate with doubles, which hold so many digits; longer numbers are written as text, exactly.
_SPREADSHEET_DIGITS = 15
_CELL_CHARACTERS = 32_767


# `json.dumps` would make an encoder for every line.
_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True)
class Format:
    """A form of the result. `pieces` gives it as it is made. A form that must be whole before its first byte can be
    sent has `write` instead: see `reports.exports`. One with neither is in the storage already."""

    content_type: str
    pieces: Callable[[Job], Iterator[bytes]] | None = None
    write: Callable[[Job, IO[bytes]], None] | None = None


def json_pieces(job: Job) -> Iterator[bytes]:
    """Everything there is to know, as the command line's ``--json`` tells it. Amounts are strings, since a JSON number
    may be read as a float."""
    value: Callable[[str], Any] = str if job.options.get("amounts") else int
    head = {
        "file": job.upload.filename,
        "rows": job.rows,
        "rejectedRows": job.bad_rows,
        "reasons": job.reasons,
        "encoding": job.encoding,
        "total": value(job.total) if job.total else None,
        "months": [
            {"month": month.month, "sales": value(month.total), "rows": month.rows} for month in job.months.all()
        ],
    }
    yield json.dumps(head, ensure_ascii=False, indent=2)[:-2].encode() + b',\n  "departments": ['
    between = "\n"
    for lines in _departments(job):
        told = (_encode({"name": name, "sales": value(total), "rows": rows}) for name, total, rows in lines)
        yield (between + "    " + ",\n    ".join(told)).encode()
        between = ",\n"
    yield b"\n  ]\n}\n"


def write_parquet(job: Job, out: IO[bytes]) -> None:
    """Three columns. Sales have the narrowest type that holds all of them exactly; text, where none does."""
    kind = _parquet_type(job)
    value: Callable[[str], Any] = int if pa.types.is_integer(kind) else Decimal if pa.types.is_decimal(kind) else str
    schema = pa.schema([(DEPARTMENT, pa.string()), (SALES, kind), (ROWS, pa.int64())])
    with pyarrow.parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for lines in _departments(job):
            names, totals, rows = zip(*lines, strict=True)
            columns = [
                pa.array(names, pa.string()),
                pa.array([value(total) for total in totals], kind),
                pa.array(rows, pa.int64()),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def write_xlsx(job: Job, out: IO[bytes]) -> None:
    """A workbook: the totals, on as many sheets as they need, and the months."""
    book = xlsxwriter.Workbook(out, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    bold = book.add_format({"bold": True})
    number = book.add_format({"num_format": "#,##0" + (".00" if "." in job.total else "")})

    def write_total(sheet: Any, row: int, total: str) -> None:
        if len(total.strip("-").replace(".", "")) <= _SPREADSHEET_DIGITS:
            sheet.write_number(row, 1, float(total), number)
        else:
            sheet.write_string(row, 1, total[:_CELL_CHARACTERS])

    def write_sheet(title: str, first: str, lines: Iterator[tuple[str, str, int]]) -> bool:
        """Write as many lines as fit; returns whether there may be more."""
        sheet = book.add_worksheet(title)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, 0, 40)
        sheet.set_column(1, 2, 22)
        sheet.write_row(0, 0, [first, SALES, ROWS], bold)
        row = 0
        for row, (name, total, rows) in enumerate(islice(lines, _SHEET_ROWS - 1), start=1):
            sheet.write_string(row, 0, name[:_CELL_CHARACTERS])
            write_total(sheet, row, total)
            sheet.write_number(row, 2, rows)
        return row == _SHEET_ROWS - 1

    departments = (line for lines in _departments(job) for line in lines)
    sheets = 1
    while write_sheet("Departments" if sheets == 1 else f"Departments {sheets}", DEPARTMENT, departments):
        sheets += 1
    months = ((month.month, month.total, month.rows) for month in job.months.all())
    write_sheet("Months", "Month", months)
    book.close()


def _departments(job: Job) -> Iterator[list[tuple[str, str, int]]]:
    """All lines in order of their names, in batches. Each is a query of its own, which begins where the one before
    ended: no connection and no transaction lasts as long as a slow reader."""
    lines = job.totals.order_by("pk").values_list("pk", "name", "total", "rows")
    last = 0
    while batch := list(lines.filter(pk__gt=last)[:_BATCH]):
        last = batch[-1][0]
        yield [line[1:] for line in batch]


def _parquet_type(job: Job) -> pa.DataType:
    extremes = list(job.totals.filter(rank__in=[1, job.departments]).values_list("total", flat=True))
    places = max((len(total.partition(".")[2]) for total in extremes), default=0)
    digits = max((len(total.strip("-").replace(".", "")) for total in extremes), default=0)
    if not job.options.get("amounts") and digits <= 18:
        return pa.int64()
    # A sum of this kind has the same places everywhere, so the extremes need the most digits.
    return pa.decimal128(38, places) if digits <= 38 else pa.decimal256(76, places) if digits <= 76 else pa.string()


FORMATS = {
    "csv": Format("text/csv; charset=utf-8"),
    "xlsx": Format("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", write=write_xlsx),
    "json": Format("application/json", pieces=json_pieces),
    "parquet": Format("application/vnd.apache.parquet", write=write_parquet),
}
