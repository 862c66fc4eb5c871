"""What a kind of CSV must know how to do. The worker does the rest: windows, checkpoints, leases, events."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Layout = dict[str, Any]


@dataclass(frozen=True)
class FoldedWindow:
    """`consumed` bytes were folded into `state`; 0 means that the window's first record does not end in it."""

    consumed: int
    rows: int
    bad_rows: int
    state: bytes
    layout: Layout


@dataclass(frozen=True)
class Result:
    """How a job ends: `fields` for its row, `record`, which writes the rest in the same transaction, and the `files`
    stored for it, to be deleted should the claim turn out to be lost."""

    fields: dict[str, Any]
    record: Callable[[], None]
    files: tuple[str, ...] = ()


class Pipeline(Protocol):
    """States are opaque bytes to everybody else; `merge` must give the same whatever the grouping."""

    def fold(self, data: bytes, *, layout: Layout | None, options: Mapping[str, Any], final: bool) -> FoldedWindow:
        """Fold the whole records at the beginning of `data`. `layout` is None for the file's first window.

        Raises `reports.engine.EngineError` when the file cannot be read.
        """
        ...

    def merge(self, states: Sequence[bytes]) -> bytes:
        """One state for what several tell, in order."""
        ...

    def finish(self, states: Sequence[bytes], *, job_id: uuid.UUID, token: uuid.UUID) -> Result:
        """Make the result from all states, storing files under names that carry the claim's token."""
        ...
