"""The engine: a sales CSV's bytes in, exact totals per department out.

Bytes are folded window by window; each window gives a `Partial`, partials merge in any order into the same result.
Pure Python and pyarrow, no Django: usable from a plain script.

    layout = detect_layout(data, final=True)
    window = fold(data[layout.data_start:], layout, final=True)
    for name, total in window.partial.departments(): ...
"""

from reports.engine.columns import Columns
from reports.engine.errors import EngineError
from reports.engine.fold import Window, fold
from reports.engine.layout import HEAD_BYTES, Layout, detect_layout
from reports.engine.partial import Partial

__all__ = ["HEAD_BYTES", "Columns", "EngineError", "Layout", "Partial", "Window", "detect_layout", "fold"]
