"""What codes say to people, in their language. Stored texts are English; the codes beside them are stable."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _

from reports.models import Job
from reports.pipelines import pipeline_for

# For readers of other languages: the stored text in English may name details that these leave out.
_ERRORS: dict[str, Promise] = {
    "empty_file": _("The file is empty. Export it again and check that it has rows."),
    "missing_columns": _("Not all of the columns that it needs were found. Say which column is which."),
    "not_csv": _("This does not look like a CSV file. Export the table as CSV and upload that."),
    "too_many_columns": _("The first line has too many columns. Export only the columns that you need."),
    "too_many_departments": _(
        "The file has too many different departments, or their names are very long. Is this the right column? Say "
        "which column is the department."
    ),
    "too_many_digits": _(
        "The sales have so many digits that the result would be many times larger than the file. Is this the right "
        "column? Say which column is the sales."
    ),
    "gzip_damaged": _("The gzip file cannot be unpacked. Pack it again and send it anew."),
    "unpacks_too_large": _("The gzip file unpacks to very much more than its size. Unpack it and send the CSV itself."),
    "upload_expired": _("The upload was not finished in time. Upload the file again."),
    "upload_damaged": _("Some of the file's bytes are damaged or missing in the storage. Upload the file again."),
    "upload_changed": _("The file was changed or removed in the storage after it had been imported. Import it again."),
    "quota_exceeded": _("You have stored more than your quota. Remove reports, then retry."),
    "worker_lost": _("Processing stopped unexpectedly several times at the same place. Retry, or ask the operator."),
}


def reason(job: Job, code: str) -> str:
    """Why rows of the job were rejected."""
    return pipeline_for(job.kind).reason(code, job.options)


def reasons(job: Job, counted: Mapping[str, int]) -> list[tuple[str, int]]:
    """What rows were rejected for, with how many, most first."""
    return [(reason(job, code), rows) for code, rows in sorted(counted.items(), key=lambda each: -each[1])]


def row(job: Job, stored: str) -> str:
    """What a report of rejected rows, which is in English, says of a row."""
    for code in pipeline_for(job.kind).reasons:
        with override("en"):
            english = reason(job, code)
        stored = stored.replace(english, reason(job, code))
    return stored


def error(code: str, stored: str) -> str:
    """Why a job failed: the stored text, with all its details, or what its code says in the reader's language."""
    if (get_language() or "en").startswith("en"):
        return stored
    return str(_ERRORS.get(code, stored))
