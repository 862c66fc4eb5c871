"""How pages write numbers, sizes and states: as `static/js/format.js` and `labels.js` write them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import template
from django.utils.translation import gettext, ngettext

from accounts.numbers import number, seconds, size
from salesagg.core.shown import cut

register = template.Library()

register.filter("shortened", cut)
register.filter(number)
register.filter(seconds)
register.filter(size)


@register.simple_tag
def state_label(state: str, bad_rows: int = 0) -> str:
    """A job's state (see `reports.snapshots`) in words."""
    match state:
        case "done_with_rejects":
            return ngettext("Done with %(count)s rejected row", "Done with %(count)s rejected rows", bad_rows or 0) % {
                "count": number(bad_rows)
            }
        case "done":
            return gettext("Done")
        case "undone":
            return gettext("Undone")
        case "failed":
            return gettext("Failed")
        case "cancelled":
            return gettext("Cancelled")
        case "cancelling":
            return gettext("Cancelling")
        case "uploading":
            return gettext("Uploading")
        case "processing":
            return gettext("Processing")
        case _:
            return gettext("Queued")


@register.simple_tag
def rows_label(job: Mapping[str, Any] | None) -> str:
    """How many rows a job (a snapshot, or none yet) has read, or imported."""
    rows = job["rows"] if job else 0
    if job and job["is_import"]:
        return gettext("%(count)s imported") % {"count": number(rows - job["bad_rows"])}
    return ngettext("%(rows)s row", "%(rows)s rows", rows) % {"rows": number(rows)}


@register.simple_tag
def open_label(job: Mapping[str, Any] | None) -> str:
    """What the link to a job's page says."""
    return gettext("Open import") if job and job["is_import"] else gettext("Open report")


@register.simple_tag
def bar_width(value: Decimal) -> str:
    """For SVG, which knows no locale."""
    return str(value)
