"""How operations describe their refusals: by the code, and when."""

from collections.abc import Mapping
from typing import Any

BAD_OPTIONS = "`bad_options`: the columns make no sense."
JOB_OPEN = "`job_open`: it has not ended; cancel it first."
NO_RESULT = "`no_result`: the job is not completed."
UPLOAD_GONE = "`upload_gone`: the file's bytes are gone."
TOO_MANY_JOBS = "`too_many_jobs`, `too_many_requests`: the header Retry-After tells how many seconds to wait."


def refusals(described: Mapping[int, str], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """For `openapi_extra`: what else it shall have, and these descriptions of answers by their status."""
    extra = dict(extra or {})
    told = {status: {"description": description} for status, description in described.items()}
    return {**extra, "responses": {**extra.get("responses", {}), **told}}
