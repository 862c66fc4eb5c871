"""Files that a job leaves in the storage."""

import uuid
from collections.abc import Iterable

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from reports.models import Export, Job, RejectedRows
from uploads import cleanup, ranges, streams
from uploads.cleanup import listing, remove_folder

EXPORT_PREFIX = "export-"


def store_csv(lines: Iterable[str], *, job_id: uuid.UUID, token: uuid.UUID) -> str:
    """Store the result CSV while it is made, and return its name in the storage.

    The name carries the claim's token: a worker that has lost its claim writes beside its successor's file.
    """
    return default_storage.save(f"jobs/{job_id}/result-{token.hex}.csv", streams.of_lines(lines))


def store_rejected(lines: bytes, *, job_id: uuid.UUID, token: uuid.UUID, start: int) -> str:
    """Store the lines of the report of rejected rows that one window gave, and return the file's name."""
    return default_storage.save(f"jobs/{job_id}/rejected-{start}-{token.hex}.csv", ContentFile(lines))


def store_export(file: "File[bytes]", job_id: uuid.UUID, *, kind: str, token: uuid.UUID) -> str:
    """Store a form of a completed job's result, and return its name in the storage."""
    return default_storage.save(f"jobs/{job_id}/{EXPORT_PREFIX}{token.hex}.{kind}", file)


def remove_strays(job_id: uuid.UUID, *, keep: Iterable[str]) -> None:
    """Delete what workers that died have left in a completed job's folder: all but its rejected rows, `keep` and
    its exports, which may have been asked for already."""
    folder = f"jobs/{job_id}"
    known = {*keep, *RejectedRows.objects.filter(job=job_id).values_list("storage_name", flat=True)}
    for file in listing(folder)[1]:
        if f"{folder}/{file}" not in known and not file.startswith(EXPORT_PREFIX):
            default_storage.delete(f"{folder}/{file}")


def remove_all(job_id: uuid.UUID) -> None:
    """Delete all files of a job that is no more."""
    folder = f"jobs/{job_id}"
    ranges.delete(f"{folder}/{file}" for file in listing(folder)[1])
    remove_folder(folder)


def remove_orphans() -> int:
    """Delete the files in jobs' folders that no row names, since the process that stored them, or that removed their
    job, died; returns how many."""
    return cleanup.remove_strays("jobs", _named)


def _named(names: list[str]) -> set[str]:
    results = Job.objects.filter(result_name__in=names).values_list("result_name", flat=True)
    exports = Export.objects.filter(storage_name__in=names).values_list("storage_name", flat=True)
    return {
        *results,
        *exports,
        *RejectedRows.objects.filter(storage_name__in=names).values_list("storage_name", flat=True),
    }
