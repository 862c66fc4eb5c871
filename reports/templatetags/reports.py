"""How pages write numbers, sizes and states: as `static/js/format.js` and `labels.js` write them."""

from decimal import Decimal

from django import template
from django.utils.translation import gettext, ngettext

from accounts.numbers import number, seconds, size

register = template.Library()

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
def bar_width(value: Decimal) -> str:
    """For SVG, which knows no locale."""
    return str(value)
