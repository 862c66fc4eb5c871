"""Writing a window's customers, in the transaction that commits it.

The index that keeps addresses unique decides, not a look before: so whatever is written at the same moment, by another
import or by hand, the row that comes second is a rejected row. A window's rows are written as if none came second, the
fastest way by far. Where the database refuses that, they, and those of some windows more, go into a table of the
connection's own first, and from there, in one statement, those that can to where they belong.
"""

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from reports import bulk
from reports.customers import addresses
from reports.models import Customer, Job
from reports.pipelines.rows import Judged

REPEATED, TAKEN = "email_repeated", "email_taken"
_NOT_AN_ADDRESS = {"empty_email", "invalid_email"}
_TABLE = Customer._meta.db_table
_COLUMNS = ("owner_id", "job_id", "created_at", "row_number", "name", "email", "email_key", "phone", "company")
# Of imports of which a row came second: how many windows more go the slow way before the fast one is tried again, and
# how many that were in all; twice as many each time. Only a matter of speed, so it is no harm that nobody else knows.
_slow: OrderedDict[uuid.UUID, tuple[int, int]] = OrderedDict()
_SLOW_AT_MOST = 64
_REMEMBERED = 100
# Addresses in one question to the database.
_BATCH = 5000


@dataclass(frozen=True)
class Prepared:
    """What a window's rows alone tell: by its address the `first` good row that has it, the good rows that have one of
    those again, and the bad rows that have an address, some of them one of an earlier good row. `lines` are to be
    written."""

    first: dict[str, int]
    repeated: list[tuple[int, str]]
    doubtful: dict[int, str]
    behind: set[int]
    lines: bulk.Packed


def prepare(job: Job, rows: Judged) -> Prepared:
    """All that can be done before the transaction, in which others wait."""
    first: dict[str, int] = {}
    repeated: list[tuple[int, str]] = []
    doubtful: dict[int, str] = {}
    behind: set[int] = set()
    job_id = str(bulk.prepared(Customer, "job", job.pk))
    now = str(bulk.prepared(Customer, "created_at", timezone.now()))
    lines: list[tuple[Any, ...]] = []
    for index, values in enumerate(rows.values):
        if values is None:
            continue
        name, email, phone, company = values
        key = email.lower()
        if index in rows.reasons:
            if not _NOT_AN_ADDRESS.intersection(rows.reasons[index]):
                doubtful[index] = key
                if key in first:
                    behind.add(index)
        elif key in first:
            repeated.append((index, key))
        else:
            first[key] = index
            lines.append((job.owner_id, job_id, now, rows.first + index, name, email, key, phone, company))
    return Prepared(first, repeated, doubtful, behind, bulk.pack(lines))


def insert(job: Job, rows: Judged, prepared: Prepared) -> None:
    """Write the good rows as customers of the job's owner. One whose address another customer has is a bad row, and of
    one that is bad anyway that is told too."""
    addresses.hold(job.owner_id)
    reasons, first = rows.reasons, prepared.first
    before = _reasons_of(job, prepared.doubtful.values())
    for index, key in prepared.doubtful.items():
        if reason := before.get(key) or (REPEATED if index in prepared.behind else ""):
            reasons[index].append(reason)
    lost = _insert(job, rows.first, prepared) if first else set()
    others = _reasons_of(job, lost)
    for key in lost:
        reasons[first[key]] = [others.get(key, TAKEN)]
    for index, key in prepared.repeated:
        reasons[index] = [others.get(key, TAKEN) if key in lost else REPEATED]


def _reasons_of(job: Job, keys: Iterable[str]) -> dict[str, str]:
    """Which of the addresses are customers' already, and whether of those that this job has imported itself."""
    found: dict[str, str] = {}
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), _BATCH):
        for key, importer in _there(job.owner_id, wanted[start : start + _BATCH]):
            found[key] = REPEATED if importer == job.pk else TAKEN
    return found


def _there(owner_id: int, keys: Sequence[str]) -> Iterable[tuple[str, uuid.UUID | None]]:
    """The owner's customers with these addresses, and their jobs."""
    if connection.vendor != "postgresql":
        return Customer.objects.filter(owner=owner_id, email_key__in=keys).values_list("email_key", "job")
    # Of a table that has just grown the planner knows nothing, and might read all of it. Asked for one address after
    # the other, it takes the index that makes them unique.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT wanted, found.job_id FROM unnest(%s::text[]) wanted, LATERAL "
            "(SELECT job_id FROM reports_customer WHERE owner_id = %s AND email_key = wanted LIMIT 1) found",
            [list(keys), owner_id],
        )
        return list(cursor.fetchall())


def _insert(job: Job, first_number: int, prepared: Prepared) -> set[str]:
    """Write the first rows; returns the addresses of those that others were faster with."""
    left, width = _slow.pop(job.pk, (0, 0))
    if not left:
        try:
            with transaction.atomic():
                bulk.fill(_TABLE, _COLUMNS, prepared.lines)
            return set()
        except IntegrityError:
            left = width = min(2 * width, _SLOW_AT_MOST) or 1
    _slow[job.pk] = left - 1, width
    while len(_slow) > _REMEMBERED:
        _slow.popitem(last=False)
    written = _insert_those_that_can_be(prepared)
    return {key for key, index in prepared.first.items() if first_number + index not in written}


def _insert_those_that_can_be(prepared: Prepared) -> set[int]:
    """By way of a table of the connection's own; returns the rows' numbers."""
    columns = ", ".join(_COLUMNS)
    emptied = "ON COMMIT DELETE ROWS" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        # Of the same types, so that nothing has to be converted.
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS incoming {emptied} AS SELECT {columns} FROM {_TABLE} LIMIT 0"  # noqa: S608  (names of ours)  # nosec B608
        )
        cursor.execute("DELETE FROM incoming")
        bulk.fill("incoming", _COLUMNS, prepared.lines)
        cursor.execute(
            f"INSERT INTO {_TABLE} ({columns}) SELECT {columns} FROM incoming WHERE true ORDER BY row_number "  # noqa: S608  (names of ours)  # nosec B608
            "ON CONFLICT (owner_id, email_key) DO NOTHING RETURNING row_number"
        )
        return {number for (number,) in cursor.fetchall()}
