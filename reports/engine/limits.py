"""Bounds that keep any file's cost in hand. Each can be set; the defaults suit a server."""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """`record_bytes`: a record longer than this, without its line end, is one bad row. It ends with the line that its
    last byte allowed stands in. Unbounded, one quote that is never closed would swallow the rest of the file.

    `departments` and `name_bytes`: more different departments, or more bytes of names, than this are a sign of the
    wrong column, and totals are what is held in memory.

    `digit_bytes`: all totals together may have so many digits. Each is written with as many places as any row has, so
    that one row could make a result of a thousand times its file.

    `unpack_ratio`: a gzip file may unpack to so many times its size. Real tables come to 5 or 20.

    `rejected_rows`: so many rows are listed with their reasons; all are counted. A listed row has as many fields as the
    header, however short it is in the file; of a very wide file fewer are listed, so that empty fields are no more than
    `padding_bytes`.

    `window_rows`: a window that is read as texts ends after about so many rows, since a row of two bytes takes a
    hundred as texts.
    """

    record_bytes: int = 4 * MIB
    departments: int = 1_000_000
    name_bytes: int = 128 * MIB
    digit_bytes: int = 16 * MIB
    unpack_ratio: int = 200
    rejected_rows: int = 1_000_000
    padding_bytes: int = 128 * MIB
    window_rows: int = 50_000

    def listed_rows(self, width: int) -> int:
        """How many rejected rows of a file with so many columns are listed."""
        return min(self.rejected_rows, self.padding_bytes // max(width, 1))


DEFAULT = Limits()
