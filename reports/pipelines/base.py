"""What a kind of CSV must know how to do. The worker does the rest: windows, checkpoints, leases, events."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import ngettext

from accounts.numbers import number
from reports.models import Job
from reports.pipelines import headers

# What a pipeline hands from window to window, as JSON; None before the first.
Context = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column that a kind looks for: what people call it, the names it usually has in a header (normalised, see
    `reports.engine.columns`), and whether a file can do without it.

    `option` is the key by which an upload's metadata names it, if its role is not.
    """

    title: str | Promise
    names: Sequence[str]
    required: bool = True
    option: str = ""


@dataclass(frozen=True)
class FoldedWindow:
    """`consumed` bytes were folded into `state`; 0 means that the window's first record does not end in it.

    `rejected` are lines for the report of rejected rows, of each of its first bad rows one. `header` is that report's
    first line, given once, with the file's first window, and only where the context does not keep all of the file's
    header; `rejected_header` is empty then. `settle`, if there is one,
    is called in the transaction that commits the window: it writes what the window gives, and returns the window as it
    turned out.
    """

    consumed: int
    rows: int
    bad_rows: int
    state: bytes
    context: Context | None
    rejected: Sequence[bytes] = ()
    header: bytes = b""
    settle: Callable[[], "FoldedWindow"] | None = None


@dataclass(frozen=True)
class Result:
    """How a job ends: `fields` for its row, `records`, which write the rest, each in a transaction of its own, and the
    `files` stored for it, to be deleted should the claim turn out to be lost."""

    fields: dict[str, Any]
    records: Iterable[Callable[[], object]] = ()
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


class Pipeline(ABC):
    """A kind of CSV. States are opaque bytes to everybody else; `merge` must give the same whatever the grouping.

    `one_at_a_time`: an owner's jobs of this kind take turns, oldest first. `can_be_undone`: what a job has written for
    its owner can be removed again, by `undo`. `has_result`: it ends in totals, which are shown, shared, downloaded.
    `apart`: what a window gives depends on its bytes alone, so that others may fold it (`reports.splits`).
    `sign`: the role of a column that hardly any other kind has; where no kind's columns are all there, it tells which
    is meant.
    """

    kind: ClassVar[str]
    title: ClassVar[str | Promise]
    columns: ClassVar[Mapping[str, Column]]
    reasons: ClassVar[Mapping[str, str | Promise]]
    one_at_a_time: ClassVar[bool] = False
    can_be_undone: ClassVar[bool] = False
    has_result: ClassVar[bool] = False
    apart: ClassVar[bool] = False
    sign: ClassVar[str] = ""

    @property
    def window_bytes(self) -> int:
        """How much is folded between two checkpoints."""
        return int(settings.WINDOW_BYTES)

    @abstractmethod
    def fold(self, data: bytes, job: Job, *, final: bool) -> FoldedWindow:
        """Fold the whole records at the beginning of `data`, for `job` as it stands before.

        Raises `reports.engine.EngineError` when the file cannot be read.
        """

    def cut(self, data: bytes, context: Context) -> int | None:
        """Where in `data`, which begins anywhere in the file, a record begins, most likely; None where there is no
        telling. For what can be folded `apart`."""
        raise NotImplementedError

    def fold_apart(self, data: bytes, job: Job) -> FoldedWindow:
        """Fold the whole records of `data`, from the middle of `job`'s file, as if no rows came before."""
        raise NotImplementedError

    def join(self, window: FoldedWindow, job: Job) -> FoldedWindow | None:
        """What `fold_apart` gave, as it is behind what has been folded of `job`; None where it does not follow."""
        raise NotImplementedError

    @abstractmethod
    def merge(self, states: Sequence[bytes]) -> bytes:
        """One state for what several tell, in order. Raises `reports.engine.EngineError`."""

    @abstractmethod
    def finish(self, states: Sequence[bytes], *, context: Context, job_id: uuid.UUID, token: uuid.UUID) -> Result:
        """Make the result from all states, storing files under names that carry the claim's token.

        Raises `reports.engine.EngineError`.
        """

    def so_far(self, states: Sequence[bytes], *, largest: int) -> SoFar | None:
        """The totals of `states` before the job has ended; None if the pipeline has none, or too many for a request.

        Raises `reports.engine.EngineError`.
        """
        return None

    def reasons_so_far(self, states: Sequence[bytes]) -> Mapping[str, int]:
        """How many rows `states` say were rejected for which reason, where that is told before the end."""
        return {}

    @abstractmethod
    def rejected_header(self, context: Context) -> str:
        """The first line of the report of rejected rows; empty where it is stored with the first rows (see
        `FoldedWindow.header`)."""

    @abstractmethod
    def fields_before_error(self, context: Context) -> int:
        """How many fields stand between a rejected row's number and its error. The others come behind that."""

    @abstractmethod
    def rejected_note(self, context: Context, text: str) -> str:
        """A line of that report with `text` where the errors stand."""

    def rejected_encoding(self, job: Job) -> str:
        """What the report's lines are stored in."""
        return "utf-8"

    def reason(self, code: str, options: Mapping[str, Any]) -> str:
        """Why rows were rejected, in the reader's language."""
        return str(self.reasons.get(code, code))

    @abstractmethod
    def header(self, context: Context) -> Sequence[str]:
        """The file's own header, or the beginning of a very long one; nothing for a file without one."""

    def is_header_whole(self, context: Context) -> bool:
        """Whether `header` gives all of it."""
        return headers.is_kept_whole(context)

    @abstractmethod
    def found(self, context: Context) -> dict[str, str]:
        """Which column was taken for what, by the header's names; empty for a role without a column, and nothing at
        all for a file that has no header."""

    def written(self, job: Job) -> str:
        """What `job` has written for its owner and undoing would remove, in words: “3 customers”."""
        rows = job.rows - job.bad_rows
        return ngettext("%(count)s row", "%(count)s rows", rows) % {"count": number(rows)}

    def check_undo(self, job: Job) -> None:  # noqa: B027  (nothing speaks against it, unless somebody says so)
        """Raise `Refusal` (409) if what `job` has written must not be removed."""

    def undo(self, job: Job) -> Iterator[None]:
        """Remove what `job` has written for its owner, in steps, each a transaction. Who asks for the steps may stop
        between two of them, and begin again later."""
        raise NotImplementedError

    def let_go(self, job: Job) -> None:  # noqa: B027  (most leave nothing)
        """`job` is about to be deleted: what it has written and stays must no longer name it."""
