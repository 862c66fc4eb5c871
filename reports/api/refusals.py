"""Refusals that several operations have, as the API's description tells them."""

AWAY = "`storage_away`: the server's storage does not answer; Retry-After tells how many seconds to wait."
BAD_OPTIONS = "`bad_options`: the columns make no sense."
EXPORT_FAILED = (
    "`export_failed`: the file could not be made; `storage_away`: the server's storage does not answer. Retry-After "
    "tells how many seconds to wait."
)
JOB_OPEN = "`job_open`: it has not ended; cancel it first."
NO_RESULT = "`no_result`: the job is not completed."
UPLOAD_GONE = "`upload_gone`: the file's bytes are gone."
TOO_MANY_JOBS = "`too_many_jobs`, `too_many_requests`: the header Retry-After tells how many seconds to wait."
