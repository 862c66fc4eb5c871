"""What is counted and measured, for operators' monitoring. Here is what there is; where it happens is one line each.

Labels have few values, none made by users: each combination of them is a series that Prometheus keeps. What a site is
as a whole (jobs by state, the queue) is not counted here but read from the database (`salesagg.figures`).
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError


def _is_worker(arguments: list[str]) -> bool:
    """Whether this is Celery's command for a worker, whose pool may be processes."""
    return Path(arguments[0]).name in ("celery", "__main__.py") and "worker" in arguments[1:]


def _share_with_children() -> None:
    """What the pool's processes count is kept in files, from which the main process tells the sum. It must be said
    before prometheus_client is imported."""
    folder, owner = tempfile.mkdtemp(prefix=f"salesagg-metrics-{os.getpid()}-"), os.getpid()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


if settings.METRICS_PORT and _is_worker(sys.argv):
    _share_with_children()

from prometheus_client import Counter, Gauge, Histogram  # noqa: E402

# From a page that is there to a request that waits for everything behind it.
_REQUEST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_WINDOW = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
_EVENT = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)

# --- Requests
HTTP_REQUESTS = Counter(
    "salesagg_http_requests", "Requests answered, by class of status.", ["method", "route", "status"]
)
HTTP_SECONDS = Histogram(
    "salesagg_http_request_seconds", "From a request to the beginning of its answer.", ["route"], buckets=_REQUEST
)
GRPC_CALLS = Counter("salesagg_grpc_calls", "Calls by gRPC that have ended.", ["method", "code"])
GRPC_SECONDS = Histogram(
    "salesagg_grpc_call_seconds", "How long calls by gRPC took, to their end.", ["method"], buckets=(*_REQUEST, 120.0)
)
REFUSALS = Counter("salesagg_refusals", "What was refused, by its code.", ["surface", "code"])
ERRORS = Counter("salesagg_errors", "Requests and calls that failed by an error of ours.", ["surface"])
FAILURES = Counter("salesagg_failures", "Times that a service behind us failed or did not answer.", ["service"])

# --- What is open
WEBSOCKETS = Gauge("salesagg_websockets_open", "Sockets of pages that are open.", multiprocess_mode="livesum")
STREAMS = Gauge("salesagg_streams_open", "Streams of one job that are open.", ["surface"], multiprocess_mode="livesum")

# --- Uploads
UPLOAD_BYTES = Counter("salesagg_upload_bytes", "Bytes received and committed.")
UPLOAD_PARTS = Counter("salesagg_upload_parts", "Parts of uploads committed.")
UPLOADS = Counter("salesagg_uploads", "Uploads that were begun, became whole, or were given up.", ["event"])
STORE_SECONDS = Histogram("salesagg_store_seconds", "How long storing a part took.", buckets=_REQUEST)

# --- Jobs
JOBS_ENDED = Counter("salesagg_jobs_ended", "Jobs that ended; of failed ones with the code.", ["status", "code"])
CLAIMS = Counter("salesagg_claims", "Jobs that workers have taken up.")
CLAIMS_LOST = Counter("salesagg_claims_lost", "Claims found to be lost: taken over, or cancelled at the last moment.")
ATTEMPTS = Counter("salesagg_attempts_ended", "Tries at jobs that ended.", ["outcome"])
WINDOW_SECONDS = Histogram("salesagg_window_seconds", "What a window took, by step.", ["step"], buckets=_WINDOW)
SPLITS = Counter("salesagg_splits", "Stretches of a file that a helper took, by what came of them.", ["outcome"])
FOLDED_BYTES = Counter("salesagg_folded_bytes", "Bytes of files' contents folded and committed.")
ROWS = Counter("salesagg_rows", "Rows folded and committed.", ["verdict"])

# --- Messages
HINTS = Counter("salesagg_hints", "Messages to workers that there is something to do.", ["outcome"])
EVENTS_PUBLISHED = Counter("salesagg_events_published", "Events of jobs told to those who watch.", ["outcome"])
EVENTS_RECEIVED = Counter("salesagg_events_received", "Events of jobs that reached a socket or a stream.")
PUBLISH_SECONDS = Histogram("salesagg_publish_seconds", "How long telling an event took.", buckets=_EVENT)
DELIVERIES = Counter("salesagg_webhook_deliveries", "Tries to deliver a webhook's message.", ["outcome"])

for _service in ("database", "broker", "storage", "channel_layer", "cache", "mail"):
    # From the start, so that the first failure is seen as a change.
    FAILURES.labels(_service)


def note_window(size: int, *, rows: int, bad_rows: int) -> None:
    """A window has been committed."""
    FOLDED_BYTES.inc(size)
    ROWS.labels("good").inc(rows - bad_rows)
    ROWS.labels("bad").inc(bad_rows)


def note_failure(error: BaseException | None) -> None:
    """Count `error` as a failure of the service behind us that it tells of, if it does."""
    if service := _service_of(error):
        FAILURES.labels(service).inc()


def _service_of(error: BaseException | None) -> str:
    # Who else has a name for it counts by it: the storage, the broker.
    return "database" if isinstance(error, (OperationalError, InterfaceError)) else ""
