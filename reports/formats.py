"""The result of a completed job in the forms people ask for, each written to a binary file."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet
import xlsxwriter
from django.core.files.storage import default_storage

from reports import safe_csv
from reports.engine.result import DEPARTMENT, SALES
from reports.models import Job

ROWS = "Rows"
# Rows read from the database, and written, at a time.
_BATCH = 10_000
# A worksheet has no more rows than this, of which one is the heading.
_SHEET_ROWS = 1_048_576
# Spreadsheets calculate with doubles, which hold so many digits; longer numbers are written as text, exactly.
_SPREADSHEET_DIGITS = 15
_CELL_CHARACTERS = 32_767


# `json.dumps` would make an encoder for every line.
_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True)
class Format:
    content_type: str
    write: Callable[[Job, IO[bytes]], None]


def write_csv(job: Job, out: IO[bytes]) -> None:
    """The result as the worker has stored it, byte for byte."""
    with default_storage.open(job.result_name) as stored:
        shutil.copyfileobj(stored, out)


def write_safe_csv(job: Job, out: IO[bytes]) -> None:
    """The result with cells that a spreadsheet might run as formulas made harmless."""
    with default_storage.open(job.result_name) as stored:
        safe_csv.copy(cast(IO[bytes], stored), out)


def write_json(job: Job, out: IO[bytes]) -> None:
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
    out.write(json.dumps(head, ensure_ascii=False, indent=2)[:-2].encode() + b',\n  "departments": [')
    between = b"\n"
    for lines in _departments(job):
        for name, total, rows in lines:
            line = _encode({"name": name, "sales": value(total), "rows": rows})
            out.write(between + b"    " + line.encode())
            between = b",\n"
    out.write(b"\n  ]\n}\n")


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
    """All lines in order of their names, in batches."""
    lines = job.totals.order_by("pk").values_list("name", "total", "rows").iterator(chunk_size=_BATCH)
    while batch := list(islice(lines, _BATCH)):
        yield batch


def _parquet_type(job: Job) -> pa.DataType:
    extremes = list(job.totals.filter(rank__in=[1, job.departments]).values_list("total", flat=True))
    places = max((len(total.partition(".")[2]) for total in extremes), default=0)
    digits = max((len(total.strip("-").replace(".", "")) for total in extremes), default=0)
    if not job.options.get("amounts") and digits <= 18:
        return pa.int64()
    # A sum of this kind has the same places everywhere, so the extremes need the most digits.
    return pa.decimal128(38, places) if digits <= 38 else pa.decimal256(76, places) if digits <= 76 else pa.string()


FORMATS = {
    "csv": Format("text/csv", write_csv),
    "xlsx": Format("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", write_xlsx),
    "json": Format("application/json", write_json),
    "parquet": Format("application/vnd.apache.parquet", write_parquet),
}
