"""Writing a window's customers, in the transaction that commits it.

They go into a table of the connection's own first, and from there, in one statement, among the owner's customers. The
index that keeps addresses unique decides, not a look before: so whatever is written at the same moment, by another
import or by hand, the row that comes second is a rejected row. They go in order of the addresses, as the index is.
"""

from collections.abc import Iterable, Iterator

from django.db import connection
from django.utils import timezone

from reports import bulk
from reports.customers import addresses
from reports.models import Customer, Job
from reports.pipelines.rows import Judged

REPEATED, TAKEN = "email_repeated", "email_taken"
_NOT_AN_ADDRESS = {"empty_email", "invalid_email"}
_COLUMNS = ("row_number", "name", "email", "email_key", "phone", "company")
# Addresses in one question to the database.
_BATCH = 5000


def insert(job: Job, rows: Judged) -> None:
    """Write the good rows as customers of the job's owner. One whose address another customer has is a bad row, and of
    one that is bad anyway that is told too."""
    addresses.hold(job.owner_id)
    reasons = rows.reasons
    doubtful = {index: values[1].lower() for index, values in _bad_with_address(rows)}
    before = _reasons_of(job, set(doubtful.values()))
    first: dict[str, int] = {}
    repeated: list[tuple[int, str]] = []
    for index, values in enumerate(rows.values):
        if index in reasons:
            key = doubtful.get(index, "")
            if reason := before.get(key) or (REPEATED if key in first else ""):
                reasons[index].append(reason)
        elif values is not None:
            key = values[1].lower()
            if key in first:
                repeated.append((index, key))
            else:
                first[key] = index
    lost = _insert(job, rows, first)
    others = _reasons_of(job, lost)
    for key in lost:
        reasons[first[key]] = [others.get(key, TAKEN)]
    for index, key in repeated:
        reasons[index] = [others.get(key, TAKEN) if key in lost else REPEATED]


def _bad_with_address(rows: Judged) -> Iterator[tuple[int, tuple[str, ...]]]:
    for index, codes in rows.reasons.items():
        values = rows.values[index]
        if values is not None and not _NOT_AN_ADDRESS.intersection(codes):
            yield index, values


def _reasons_of(job: Job, keys: Iterable[str]) -> dict[str, str]:
    """Which of the addresses are customers' already, and whether of those that this job has imported itself."""
    wanted = sorted(keys)
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _BATCH):
        there = Customer.objects.filter(owner=job.owner_id, email_key__in=wanted[start : start + _BATCH])
        for key, importer in there.values_list("email_key", "job"):
            found[key] = REPEATED if importer == job.pk else TAKEN
    return found


def _insert(job: Job, rows: Judged, first: dict[str, int]) -> set[str]:
    """Write these rows, given by their addresses; returns the addresses of those that others were faster with."""
    if not first:
        return set()
    table, columns = Customer._meta.db_table, ", ".join(_COLUMNS)
    emptied = "ON COMMIT DELETE ROWS" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        # Of the same types, so that nothing has to be converted.
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS incoming {emptied} AS SELECT {columns} FROM {table} LIMIT 0"  # noqa: S608  (names of ours)
        )
        cursor.execute("DELETE FROM incoming")
        bulk.fill("incoming", _COLUMNS, _lines(rows, first))
        cursor.execute(
            f"INSERT INTO {table} (owner_id, job_id, created_at, {columns}) "  # noqa: S608  (names of ours)
            f"SELECT %s, %s, %s, {columns} FROM incoming WHERE true ORDER BY email_key "
            "ON CONFLICT (owner_id, email_key) DO NOTHING RETURNING row_number",
            [
                job.owner_id,
                bulk.prepared(Customer, "job", job.pk),
                bulk.prepared(Customer, "created_at", timezone.now()),
            ],
        )
        written = {number for (number,) in cursor.fetchall()}
    if len(written) == len(first):
        return set()
    return {key for key, index in first.items() if rows.first + index not in written}


def _lines(rows: Judged, first: dict[str, int]) -> Iterator[tuple[int, str, str, str, str, str]]:
    for key, index in first.items():
        values = rows.values[index]
        assert values is not None
        name, email, phone, company = values
        yield rows.first + index, name, email, key, phone, company
