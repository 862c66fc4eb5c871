"""Where a file may be cut: where a record begins, told by what follows alone.

Whether a line's end is inside quotes depends on every quote before it. Without reading those, both are supposed, and
what makes records of the right width is taken for right, as in "Speculative Distributed CSV Data Parsing for Big Data
Analytics" (Ge, Li, Eilebrecht, Chandramouli, Kossmann; SIGMOD 2019). That is a guess: who folds from there must find
that what comes before ends there.
"""

import re
from functools import lru_cache
from itertools import islice

from reports.engine import records
from reports.engine.layout import Layout
from reports.engine.text import UTF8, Data

# What is looked at: enough for some records of any file that programs write.
LOOK_BYTES = 64 * 1024
_RECORDS = 30
# Fewer records of the right width than this share say that neither supposition is right.
_ENOUGH = 0.5
_QUOTE_OR_LINE_END = re.compile(rb'"|\r\n|\r|\n')


def record_start(data: Data, layout: Layout) -> int | None:
    """Where in `data`, which begins anywhere in a file of this layout and is not its end, a record begins.

    None when there is no telling, or when the encoding is one in which a byte does not tell a line's end.
    """
    if layout.encoding != UTF8:
        return None
    outside = _line_start(data, quoted=False)
    if b'"' not in data:
        return outside
    starts = (outside, _line_start(data, quoted=True))
    likely = [_likely(data, start, layout) for start in starts]
    return starts[likely.index(max(likely))] if any(likely) else None


def _line_start(data: Data, *, quoted: bool) -> int | None:
    """Behind the first line end outside quotes, supposing that `data` begins `quoted` or not."""
    for found in _QUOTE_OR_LINE_END.finditer(data):
        if found[0] == b'"':
            quoted = not quoted
        elif not quoted:
            # The second half of this line end may be yet to come.
            return None if found[0] == b"\r" and found.end() == len(data) else found.end()
    return None


def _likely(data: Data, start: int | None, layout: Layout) -> float:
    """How likely records begin at `start`, from 0 to 2: which share of those that follow is as wide as it should be,
    and which is written as programs do."""
    if start is None:
        return 0.0
    read = list(islice(records.read(data, layout.delimiter, start=start, final=False, longest=LOOK_BYTES), _RECORDS))
    wide = sum(len(record.fields or ()) == layout.width for record in read)
    if wide < _ENOUGH * len(read):
        return 0.0
    tidy = _tidy(layout.delimiter)
    return (wide + sum(bool(tidy.fullmatch(data, record.start, record.end)) for record in read)) / max(len(read), 1)


@lru_cache
def _tidy(delimiter: str) -> re.Pattern[bytes]:
    """A record as programs write it, all quotes around fields or doubled in them. Taken the wrong way round, what is
    outside quotes seems inside, and quotes are where they hardly ever are."""
    escaped = re.escape(delimiter.encode())
    field = rb'(?:"[^"]*(?:""[^"]*)*"|[^"\r\n%b]*)' % escaped
    return re.compile(rb"%b(?:%b%b)*[\r\n]*" % (field, escaped, field))
