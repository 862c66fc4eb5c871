"""Kinds that are read row by row, by rules in plain Python: columns by header, a judge of rows, perhaps a place where
good rows are kept.

All reasons of a bad row are told. The report's lines are UTF-8, whatever the file is.
"""

import json
import uuid
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from reports.engine.records import line
from reports.engine.sheet import Rows, Sheet, detect_sheet, read_rows
from reports.limits import limits
from reports.models import Job
from reports.pipelines import headers
from reports.pipelines.base import Context, FoldedWindow, Pipeline, Result

FIELDS = "wrong_number_of_fields"
TOO_LONG = "too_long"


@dataclass
class Judged:
    """The rows of a window: `values` are the trimmed fields of each in the order of the pipeline's columns, None where
    they cannot be told apart; `reasons`, by index, are why rows are bad. `first` is the number of the first one."""

    first: int
    values: list[tuple[str, ...] | None]
    reasons: dict[int, list[str]] = field(default_factory=dict)


class Listed(NamedTuple):
    """A line of the report of rejected rows, and the reasons that it gives."""

    codes: list[str]
    text: bytes


class RowsPipeline(Pipeline):
    """Subclasses say what the `columns` are, `judge` rows, and `keep` the good ones."""

    reasons: ClassVar[Mapping[str, str | Promise]] = {}
    _reasons_of_all: ClassVar[Mapping[str, str | Promise]] = {
        FIELDS: _("the number of fields differs from the header's"),
        TOO_LONG: _("the row is too long; a quotation mark is probably not closed"),
    }

    def __init_subclass__(cls) -> None:
        cls.reasons = {**RowsPipeline._reasons_of_all, **cls.reasons}

    @abstractmethod
    def judge(self, values: tuple[str, ...]) -> list[str]:
        """Why a row is bad, as codes of `reasons`: nothing for a good one. `values` are in the order of `columns`,
        trimmed, and empty for a column that the file does not have."""

    def prepare(self, job: Job, rows: Judged) -> Any:
        """Whatever `keep` can be spared: it is called before the transaction, and has no database."""
        return None

    def keep(self, job: Job, rows: Judged, prepared: Any) -> None:
        """Write the good rows, in the transaction that commits their window; may find more reasons against some."""

    def fold(self, data: bytes, job: Job, *, final: bool) -> FoldedWindow:
        start, skipping = 0, False
        if job.context is None:
            sheet = self._detect(data, job, final=final)
            if sheet is None:
                return FoldedWindow(consumed=0, rows=0, bad_rows=0, state=b"", context=None)
            context, first_line = self._first_context(sheet)
            start, sheet = sheet.data_start, Sheet.from_json(context["sheet"])
        else:
            context, first_line = job.context, b""
            sheet, skipping = Sheet.from_json(context["sheet"]), context["skipping"]
        read = read_rows(data[start:] if start else data, sheet, final=final, skipping=skipping, limits=limits())
        judged = self._judged(read, sheet, first=job.rows + 1)
        prepared = self.prepare(job, judged)
        window = FoldedWindow(
            consumed=start + read.consumed,
            rows=len(read.rows),
            bad_rows=0,
            state=b"",
            context={**context, "skipping": read.skipping},
            header=first_line,
        )

        # Lines of rows that are bad by themselves are made here, before the transaction that calls `settle`. SQLite has
        # one writer at a time, and all others waited while hundreds of thousands of lines were made.
        most = limits().listed_rows(sheet.columns)
        made = self._lines(read, sheet, judged, room=most - job.bad_rows)

        def settle() -> FoldedWindow:
            # Called again, it starts from what the rows alone tell.
            settled = replace(judged, reasons={index: [*codes] for index, codes in judged.reasons.items()})
            self.keep(job, settled, prepared)
            # The window before has been committed since, and may have filled the report.
            lines = self._lines(read, sheet, settled, room=most - job.bad_rows, made=made)
            return self._settled(window, read, settled, lines)

        return replace(window, settle=settle)

    def merge(self, states: Sequence[bytes]) -> bytes:
        counted, utf8 = _merged(states)
        return _state(counted, utf8=utf8)

    def finish(self, states: Sequence[bytes], *, context: Context, job_id: uuid.UUID, token: uuid.UUID) -> Result:
        counted, utf8 = _merged(states)
        sheet = Sheet.from_json(context["sheet"])
        return Result({"reasons": dict(counted), "encoding": sheet.encoding if utf8 else "windows-1252"})

    def reasons_so_far(self, states: Sequence[bytes]) -> Mapping[str, int]:
        return _merged(states)[0]

    def rejected_header(self, context: Context) -> str:
        if not headers.is_kept_whole(context):
            return ""
        return self._header_line(Sheet.from_json(context["sheet"]))

    def fields_before_error(self, context: Context) -> int:
        return len(self.columns)

    def rejected_note(self, context: Context, text: str) -> str:
        return line(["", *([""] * len(self.columns)), text])

    def header(self, context: Context) -> Sequence[str]:
        return [str(name) for name in context["sheet"]["header"]]

    def found(self, context: Context) -> dict[str, str]:
        if not headers.is_kept_whole(context):
            return dict(context[headers.FOUND])
        sheet = context["sheet"]
        return headers.found(sheet["header"], {role: sheet["positions"].get(role) for role in self.columns})

    def _first_context(self, sheet: Sheet) -> tuple[Context, bytes]:
        """What the job keeps of the sheet; and the first line of its report of rejected rows, where that is too long to
        be kept."""
        if not headers.is_long(sheet.header):
            return {"sheet": sheet.to_json()}, b""
        kept = replace(sheet, header=tuple(headers.beginning(sheet.header)), width=len(sheet.header))
        found = headers.found(sheet.header, {role: sheet.positions.get(role) for role in self.columns})
        first_line = self._header_line(sheet).encode("utf-8", "replace")
        return {"sheet": kept.to_json(), headers.FOUND: found}, first_line

    def _header_line(self, sheet: Sheet) -> str:
        return line(["rowNumber", *self.columns, "error", *self._other_names(sheet)])

    def _detect(self, data: bytes, job: Job, *, final: bool) -> Sheet | None:
        sheet = detect_sheet(
            data,
            final=final,
            usual={role: column.names for role, column in self.columns.items()},
            required=[role for role, column in self.columns.items() if column.required],
            named=job.options.get("columns"),
        )
        # Every database takes these; columns are found by their positions.
        return sheet and replace(sheet, header=tuple(name.replace("\0", "\ufffd") for name in sheet.header))

    def _judged(self, read: Rows, sheet: Sheet, *, first: int) -> Judged:
        take = _taker([sheet.positions.get(role) for role in self.columns])
        width, judge = sheet.columns, self.judge
        judged = Judged(first, [])
        for index, fields in enumerate(read.rows):
            if len(fields) != width or index in read.too_long:
                judged.values.append(None)
                judged.reasons[index] = [TOO_LONG if index in read.too_long else FIELDS]
                continue
            values = take(fields)
            judged.values.append(values)
            if codes := judge(values):
                judged.reasons[index] = codes
        return judged

    def _lines(
        self, read: Rows, sheet: Sheet, judged: Judged, *, room: int, made: Mapping[int, Listed] | None = None
    ) -> dict[int, Listed]:
        """The lines of the report for the first `room` rejected rows, by index.

        A line in `made` is taken if its reasons are the same.
        """
        listed = sorted(judged.reasons)[: max(room, 0)]
        places = self._places(sheet)
        lines: dict[int, Listed] = {}
        for index in listed:
            codes = judged.reasons[index]
            if made and index in made and made[index].codes == codes:
                lines[index] = made[index]
                continue
            text = self._rejected(read.rows[index], judged.first + index, self._told(codes), places)
            lines[index] = Listed([*codes], text.encode("utf-8", "replace"))
        return lines

    def _settled(self, window: FoldedWindow, read: Rows, judged: Judged, lines: Mapping[int, Listed]) -> FoldedWindow:
        counted = Counter(code for codes in judged.reasons.values() for code in set(codes))
        return replace(
            window,
            bad_rows=len(judged.reasons),
            state=_state(counted, utf8=read.utf8),
            rejected=[line.text for line in lines.values()],
            settle=None,
        )

    def _places(self, sheet: Sheet) -> list[int | None]:
        """Where the report's fields are in a row: those of the columns, under their roles, then all others, so that
        nothing of a row is left out."""
        taken = [sheet.positions.get(role) for role in self.columns]
        return [*taken, *(place for place in range(sheet.columns) if place not in taken)]

    def _other_names(self, sheet: Sheet) -> list[str]:
        return [sheet.header[place] for place in self._places(sheet)[len(self.columns) :] if place is not None]

    def _rejected(self, fields: Sequence[str], number: int, told: str, places: Sequence[int | None]) -> str:
        """A line of the report. What is behind the header's last column comes last."""
        known = ["" if place is None or place >= len(fields) else fields[place] for place in places]
        width, beyond = len(self.columns), sum(place is not None for place in places)
        return line([number, *known[:width], told, *known[width:], *fields[beyond:]])

    def _told(self, codes: Sequence[str]) -> str:
        with override("en"):
            return "; ".join(str(self.reasons[code]) for code in codes)


def _taker(positions: Sequence[int | None]) -> Any:
    """What takes the fields at these positions, trimmed; an empty text for None."""
    places = [-1 if position is None else position for position in positions]
    if len(places) == 1:
        return lambda fields: ((*fields, "")[places[0]].strip(),)
    get = itemgetter(*places)
    if -1 in places:
        return lambda fields: tuple(map(str.strip, get((*fields, ""))))
    return lambda fields: tuple(map(str.strip, get(fields)))


def _state(counted: Mapping[str, int], *, utf8: bool) -> bytes:
    return json.dumps({"reasons": counted, "utf8": utf8}).encode()


def _merged(states: Sequence[bytes]) -> tuple[Counter[str], bool]:
    counted: Counter[str] = Counter()
    utf8 = True
    for state in map(json.loads, states):
        counted.update(state["reasons"])
        utf8 &= state["utf8"]
    return counted, utf8
