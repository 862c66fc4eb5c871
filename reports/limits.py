"""The engine's limits as the settings have them."""

from django.conf import settings

from reports.engine import Limits


def limits() -> Limits:
    return Limits(
        record_bytes=settings.MAX_RECORD_BYTES,
        departments=settings.MAX_DEPARTMENTS,
        rejected_rows=settings.MAX_REJECTED_ROWS,
    )
