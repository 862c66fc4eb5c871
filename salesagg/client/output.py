"""Results, as files and as tables for people."""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

from salesagg.client.errors import Unusable


def check_can_save(path: Path) -> None:
    """Raise `Unusable` now rather than after hours."""
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise Unusable(f"{path} cannot be written. Is there such a folder, and may you write to it?")


def save(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Let `write` fill the file, which has its old contents until it has all of the new."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as out:
            write(out)
        unfinished.replace(path)
    except OSError as error:
        raise Unusable(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def totals_table(result: bytes) -> str:
    """The result's CSV, to be read by people."""
    head, *rows = csv.reader(io.StringIO(result.decode(), newline=""))
    return table(head, ([name, grouped(total)] for name, total in rows), right=1)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: int | None = None) -> str:
    """Columns under each other; the one numbered `right` at the right."""
    lines = [[_plain(cell) for cell in row] for row in (head, *rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(_padded(cell, widths[column], column == right) for column, cell in enumerate(line)).rstrip()
        for line in lines
    )


def grouped(number: str) -> str:
    """1234567.5 as 1,234,567.5, however long it is."""
    whole, point, rest = number.partition(".")
    return re.sub(r"\B(?=(?:\d{3})+$)", ",", whole) + point + rest


def _plain(cell: str) -> str:
    """Without what a terminal might take for an order: names come from files, and files from anywhere."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in cell)


def _padded(cell: str, width: int, at_right: bool) -> str:
    space = " " * (width - _width(cell))
    return space + cell if at_right else cell + space


def _width(cell: str) -> int:
    """Columns of a terminal that the text takes."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in cell
    )
