"""The engine: a sales CSV's bytes in, exact totals per department and month out, and a reason for every rejected row.

Bytes are folded window by window; each window gives a `Partial`, partials merge in any order into the same result. No
Django here, and no settings: usable from a plain script.

    aggregator = Aggregator()
    for piece in pieces:
        aggregator.feed(piece)
    result = aggregator.finish()
    for names, sales, rows in result.departments(): ...
"""

from reports.engine.aggregator import Aggregator
from reports.engine.blocks import Means
from reports.engine.errors import EngineError
from reports.engine.fold import START, Before, Window, fold
from reports.engine.heading import HEAD_BYTES, first_fields
from reports.engine.layout import Layout, detect_layout
from reports.engine.limits import Limits
from reports.engine.partial import Month, Partial, Total

__all__ = [
    "HEAD_BYTES",
    "START",
    "Aggregator",
    "Before",
    "EngineError",
    "Layout",
    "Limits",
    "Means",
    "Month",
    "Partial",
    "Total",
    "Window",
    "detect_layout",
    "first_fields",
    "fold",
]
