"""What codes say to people, in their language. Stored texts are English; the codes beside them are stable."""

from itertools import product

from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from reports.engine import faults

_REASONS: dict[str, Promise] = {
    "wrong_number_of_fields": _("the number of fields differs from the header's"),
    "empty_department": _("the department is empty"),
    "invalid_date": _("the date is not a day written YYYY-MM-DD"),
    "invalid_sales": _("the sales are not a whole number from 0"),
    "too_long": _("the row is too long; a quotation mark is probably not closed"),
}
_NOT_AN_AMOUNT = _("the sales are not a number")

# For readers of other languages: the stored text in English may name details that these leave out.
_ERRORS: dict[str, Promise] = {
    "empty_file": _("The file is empty. Export it again and check that it has rows."),
    "missing_columns": _("No columns for department and sales were found. Say which column is which."),
    "not_csv": _("This does not look like a CSV file. Export the table as CSV and upload that."),
    "too_many_departments": _(
        "The file has too many different departments, or their names are very long. Is this the right column? Say "
        "which column is the department."
    ),
    "gzip_damaged": _("The gzip file cannot be unpacked. Pack it again and send it anew."),
    "unpacks_too_large": _("The gzip file unpacks to very much more than its size. Unpack it and send the CSV itself."),
    "upload_expired": _("The upload was not finished in time. Upload the file again."),
    "upload_damaged": _("Some of the file's bytes are no longer in the storage. Upload the file again."),
    "upload_changed": _("The file was changed or removed in the storage after it had been imported. Import it again."),
    "worker_lost": _("Processing stopped unexpectedly several times at the same place. Retry, or ask the operator."),
}


def reason(code: str, *, amounts: bool) -> str:
    """Why rows were rejected (see `reports.engine.faults`)."""
    if amounts and code == faults.CODES[faults.SALES]:
        return str(_NOT_AN_AMOUNT)
    return str(_REASONS.get(code, code))


def row(stored: str) -> str:
    """What a report of rejected rows, which is in English, says of a row."""
    for code, amounts in product(faults.CODES.values(), (False, True)):
        stored = stored.replace(faults.words_for(code, amounts=amounts), reason(code, amounts=amounts))
    return stored


def error(code: str, stored: str) -> str:
    """Why a job failed: the stored text, with all its details, or what its code says in the reader's language."""
    if (get_language() or "en").startswith("en"):
        return stored
    return str(_ERRORS.get(code, stored))
