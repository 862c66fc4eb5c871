"""Many workers on one file: stretches of it, folded ahead of the worker that holds the job.

The job's holder goes through the file in order and commits window after window, as if it were alone. Where there are
idle hands and bytes enough, it lays out *splits* ahead of it, which other workers fold meanwhile: what comes of a
stretch of bytes that begins at a record's beginning depends on nothing but these bytes. When the holder arrives at a
split's beginning, it commits what came of it as its own window.

Exact, since the holder alone commits, under its claim, and takes a split only if it begins where the last window ended:
a split whose beginning was guessed wrong (`reports.engine.cuts`) is never arrived at. Safe, since a split is no
more than a help: of a worker that dies with one, or sleeps, or writes too late, the holder waits for no longer than a
lease, and then folds the stretch itself.
"""

from reports.splits.ahead import Ahead
from reports.splits.helping import forget_ended, help_one

__all__ = ["Ahead", "forget_ended", "help_one"]
