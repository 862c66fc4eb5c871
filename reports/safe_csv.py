"""CSV that a spreadsheet can open without running anything, whatever delimiter it splits at.

A cell that begins with `=`, `+`, `-` or `@` may be taken for a formula; a leading apostrophe makes it text. See OWASP,
"CSV Injection". Every field is quoted. That alone is not enough: where a spreadsheet splits at `;`, as in most of
Europe, only the first field of a record still counts as quoted, and a later one such as `x;=cmd|…;y` is split into
cells. So formulas are made harmless behind every character at which some spreadsheet splits, too. Plain numbers stay
numbers.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import IO

# In all widths in which spreadsheets may read them.
_FORMULA = "=+\\-@＝＋－＠﹦﹢﹣﹫−"
# At each of these some locale, import dialog or program begins another cell or line.
_DELIMITERS = ",;|\t\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_APART = str.maketrans({delimiter: f"{delimiter}'" for delimiter in _DELIMITERS})
# These may be skipped before a formula; some of them have no width.
_SKIPPED = '\\s\\x00-\\x1f"\\u200b-\\u200f\\u2060\\ufeff'
_DELIMITER = re.compile(f"[{_DELIMITERS}]")
_SUSPICIOUS = re.compile(f"[{_FORMULA}\\t\\r\\n]")
# A whole run of what stands before a formula. It begins where nothing of the kind stands before, so that a value of
# megabytes of delimiters is read once, not once for each of them.
_BEFORE = f"[{_DELIMITERS}{_SKIPPED}]"
_BEFORE_FORMULA = re.compile(f"(?:\\A{_BEFORE}*|(?<!{_BEFORE}){_BEFORE}+)(?=[{_FORMULA}])")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# Made at a time.
PIECE_CHARACTERS = 256 * 1024


def cell(value: str) -> str:
    """`value`, with an apostrophe before everything in it that could become a formula."""
    if not _SUSPICIOUS.search(value) or _NUMBER.fullmatch(value):
        return value
    safe = _BEFORE_FORMULA.sub(_with_apostrophes, value)
    # Some programs skip these wherever they stand first.
    return f"'{safe}" if safe.startswith(("\t", "\r", "\n")) else safe


def line(values: Sequence[object]) -> str:
    """A record of the CSV, every field quoted."""
    return ",".join(map(_quoted, values)) + "\n"


def _quoted(value: object) -> str:
    # Most fields of a short row in a wide file are empty: millions of them took half a minute.
    return '""' if value == "" else '"' + cell(str(value)).replace('"', '""') + '"'


def pieces(source: IO[bytes]) -> Iterator[bytes]:
    """The CSV `source`, UTF-8, made safe piece by piece. `source` is closed at the end."""
    with io.TextIOWrapper(source, encoding="utf-8", newline="") as text:
        lines: list[str] = []
        size = 0
        for record in csv.reader(text):
            lines.append(line(record))
            size += len(lines[-1])
            if size > PIECE_CHARACTERS:
                yield "".join(lines).encode()
                lines, size = [], 0
        yield "".join(lines).encode()


def _with_apostrophes(found: re.Match[str]) -> str:
    """One at the beginning of the value, one behind each delimiter, and one right before the formula."""
    run = found[0]
    if found.start() and not _DELIMITER.search(run):
        return run
    safe = ("" if found.start() else "'") + run.translate(_APART)
    return safe if safe.endswith("'") else f"{safe}'"
