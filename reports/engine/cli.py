"""The engine's command line.

Exit codes: 0, the result was printed; 1, the file cannot be read or be made sense of; 2, wrong usage; 130, interrupted.
"""

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from reports.engine import acceleration, rejects
from reports.engine.aggregator import Aggregator
from reports.engine.errors import EngineError
from reports.engine.layout import Layout
from reports.engine.numbers import Number, text
from reports.engine.partial import Partial
from reports.engine.result import csv_lines
from reports.engine.text import decode
from reports.engine.unpack import MAGIC, UnpackedFile

# Below this the kernel takes longer to load than it saves.
_WORTH_LOADING_BYTES = 200 * 1000 * 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except EngineError as error:
        return _failed(f"{options.file}: {error.message}")
    except BrokenPipeError:
        # Whoever read the output has seen enough. What is still buffered must not be tried again at exit.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return 0
    except OSError as error:
        return _failed(f"{error.filename or options.file}: {error.strerror or error}")
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reports.engine",
        description="Add up a sales CSV: total sales per department, exactly, whatever its size.",
        epilog="Columns are found by their usual names unless they are named here.",
    )
    parser.add_argument("file", help="the CSV, perhaps gzipped; - reads standard input")
    parser.add_argument("--by", nargs="+", metavar="COLUMN", help="the columns to add up by (the department)")
    parser.add_argument("--sales", metavar="COLUMN", help="the column to add up")
    parser.add_argument("--date", metavar="COLUMN", help="the column of dates")
    parser.add_argument("--amounts", action="store_true", help="sales are decimals, perhaps negative")
    parser.add_argument("--json", action="store_true", help="print totals, months and counts as JSON instead of a CSV")
    parser.add_argument("--rejected", metavar="FILE", help="write the rejected rows, with the reasons, to this CSV")
    parser.add_argument("--threads", type=_threads, default=0, help="how many to use (default: one for each core)")
    return parser


def _threads(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _run(options: argparse.Namespace) -> int:
    named = {"department": options.by, "sales": options.sales, "date": options.date}
    started = time.perf_counter()
    with _opened(options.file) as file, _Report(options.rejected) as report:
        aggregator = Aggregator(
            named={role: column for role, column in named.items() if column},
            amounts=options.amounts,
            threads=options.threads,
            rejected=report.write,
        )
        aggregator.read(file)
        result = aggregator.finish()
        layout = aggregator.layout
        assert layout is not None
        report.finish(layout, result)
    columns = [layout.names[column] for column in layout.columns.department]
    if options.json:
        _print_json(result, layout, columns)
    else:
        sys.stdout.writelines(csv_lines(result, columns=columns if options.by else None))
    sys.stdout.flush()
    seconds = time.perf_counter() - started
    print(
        f"{result.rows:,} rows, {result.bad_rows:,} rejected, {seconds:.1f} s, "
        f"{aggregator.position / 1e6 / seconds:,.0f} MB/s",
        file=sys.stderr,
    )
    return 0


@contextlib.contextmanager
def _opened(name: str) -> Iterator[io.RawIOBase]:
    """The file's contents, unpacked if they are packed, with a progress bar if somebody is there to see it."""
    with contextlib.ExitStack() as stack:
        # Standard input is not ours to close.
        file = stack.enter_context(open(0 if name == "-" else name, "rb", closefd=name != "-"))
        size = None if name == "-" else os.fstat(file.fileno()).st_size
        if size is None:
            acceleration.load_in_background()
        elif size >= _WORTH_LOADING_BYTES:
            acceleration.load()
        packed = file.peek(len(MAGIC)).startswith(MAGIC)
        bar = stack.enter_context(
            tqdm(total=size, unit="B", unit_scale=True, leave=False, disable=not sys.stderr.isatty(), file=sys.stderr)
        )
        watched = _Watched(file, bar)
        yield UnpackedFile(watched) if packed else watched


class _Watched(io.RawIOBase):
    """A file whose reading moves a progress bar."""

    def __init__(self, file: io.BufferedIOBase, bar: Any) -> None:
        self._file = file
        self._bar = bar

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = self._file.readinto(buffer)
        self._bar.update(size)
        return size


class _Report:
    """The report of rejected rows. Its lines wait in a temporary file, as their encoding shows only at the end."""

    def __init__(self, name: str | None) -> None:
        self._name = name

    def __enter__(self) -> "_Report":
        self._out: TextIO | None = None
        if self._name:
            self._out = Path(self._name).open("w", encoding="utf-8", newline="")
            self._lines = tempfile.TemporaryFile()
        return self

    def __exit__(self, *error: object) -> None:
        if self._out:
            self._out.close()
            self._lines.close()

    def write(self, lines: bytes) -> None:
        if self._out:
            self._lines.write(lines)

    def finish(self, layout: Layout, result: Partial) -> None:
        if not self._out:
            return
        self._out.write(rejects.header(layout))
        self._lines.seek(0)
        for told in self._lines:
            self._out.write(decode(told, utf8=result.utf8))


def _print_json(result: Partial, layout: Layout, columns: list[str]) -> None:
    """Everything there is to know. Amounts are strings, since a JSON number may be read as a float."""

    def shown(sales: Number) -> int | str:
        return sales if isinstance(sales, int) else text(sales, result.places)

    told = {
        "rows": result.rows,
        "rejectedRows": result.bad_rows,
        "reasons": result.reasons,
        "encoding": layout.encoding if result.utf8 else "windows-1252",
        "columns": columns,
        "departments": [
            {"names": line.names, "sales": shown(line.sales), "rows": line.rows}
            for line in result.departments(columns=len(columns))
        ],
        "months": [{"month": line.month, "sales": shown(line.sales), "rows": line.rows} for line in result.by_month()],
    }
    json.dump(told, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def _failed(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1
