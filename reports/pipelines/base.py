"""What a kind of CSV must know how to do. The worker does the rest: windows, checkpoints, leases, events."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

# What a pipeline hands from window to window, as JSON; None before the first.
Context = dict[str, Any]


@dataclass(frozen=True)
class FoldedWindow:
    """`consumed` bytes were folded into `state`; 0 means that the window's first record does not end in it.

    `rejected` are the lines of so many of its bad rows for the report of rejected rows.
    """

    consumed: int
    rows: int
    bad_rows: int
    state: bytes
    context: Context | None
    rejected: bytes = b""
    rejected_rows: int = 0


@dataclass(frozen=True)
class Result:
    """How a job ends: `fields` for its row, `records`, which write the rest, each in a transaction of its own, and the
    `files` stored for it, to be deleted should the claim turn out to be lost."""

    fields: dict[str, Any]
    records: Iterable[Callable[[], object]]
    files: tuple[str, ...] = ()


class Line(NamedTuple):
    """A line of totals: a department's or a month's. `total` is in decimal digits."""

    name: str
    total: str
    rows: int


@dataclass(frozen=True)
class SoFar:
    """The totals of what has been folded, while the job runs: of all departments and of the `largest` ones."""

    departments: int
    total: str
    largest: Sequence[Line]
    months: Sequence[Line]


class Pipeline(Protocol):
    """States are opaque bytes to everybody else; `merge` must give the same whatever the grouping."""

    def fold(
        self,
        data: bytes,
        *,
        context: Context | None,
        options: Mapping[str, Any],
        final: bool,
        rows_before: int,
        bad_rows_before: int,
    ) -> FoldedWindow:
        """Fold the whole records at the beginning of `data`; so many rows came before it, so many of them bad.

        Raises `reports.engine.EngineError` when the file cannot be read.
        """
        ...

    def merge(self, states: Sequence[bytes]) -> bytes:
        """One state for what several tell, in order. Raises `reports.engine.EngineError`."""
        ...

    def finish(self, states: Sequence[bytes], *, context: Context, job_id: uuid.UUID, token: uuid.UUID) -> Result:
        """Make the result from all states, storing files under names that carry the claim's token.

        Raises `reports.engine.EngineError`.
        """
        ...

    def so_far(self, states: Sequence[bytes], *, largest: int) -> SoFar:
        """What `states` tell before the job has ended. Raises `reports.engine.EngineError`."""
        ...

    def rejected_header(self, context: Context) -> str:
        """The first line of the report of rejected rows."""
        ...

    def rejected_note(self, context: Context, text: str) -> str:
        """A line of that report with `text` where the errors stand."""
        ...
