"""Parts that a page can do without: when one cannot be made, the page comes without it and says so."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError

from accounts import metrics
from reports.models import Job

logger = logging.getLogger(__name__)


def part(job: Job, name: str, make: Callable[[], Any]) -> dict[str, Any]:
    """A page's context with what `make` returns under `name`. Where it fails, since a file is missing or the storage is
    unavailable, the context has `name` followed by ``_unavailable`` instead."""
    try:
        return {name: make()}
    except DatabaseError:
        # No part of the page can be made without the database.
        raise
    except Exception as error:
        metrics.note_failure(error)
        logger.warning("job %s: its page is shown without %s", job.pk, name, exc_info=True)
        return {name: None, f"{name}_unavailable": True}
