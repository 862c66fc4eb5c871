"""CSV that a spreadsheet can open without running anything.

A cell that begins with `=`, `+`, `-` or `@` (or with a tab or carriage return, which some programs skip) may be taken
for a formula; a leading apostrophe makes it text. See OWASP, "CSV Injection". Plain numbers stay numbers.
"""

import csv
import io
import re
from typing import IO

from reports.engine.records import line

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def cell(value: str) -> str:
    return f"'{value}" if value.startswith(_DANGEROUS) and not _NUMBER.fullmatch(value) else value


def copy(source: IO[bytes], out: IO[bytes]) -> None:
    """Write the CSV `source`, UTF-8, with all its cells made harmless."""
    text = io.TextIOWrapper(source, encoding="utf-8", newline="")
    for record in csv.reader(text):
        out.write(line([cell(value) for value in record]).encode())
    text.detach()
