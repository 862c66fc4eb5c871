"""A job's progress as server-sent events: what `reports.watching` tells, as text."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from ninja import Header, Router

from accounts import bindings, credentials, metrics
from accounts.api.schemas import problems
from accounts.streaming import release_request_thread
from reports import admission, openstreams, watching
from reports.api.jobs import load_job
from reports.api.schemas import JobOut, Progress, describe, progress_of
from reports.models import Job
from reports.openstreams import Reservation
from reports.watching import Begun, Changed, Ended, News, Quiet, Removed

CONTENT_TYPE = "text/event-stream"
# How long a browser waits before it connects again after a connection has broken.
RETRY_MILLISECONDS = 2000
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_EVENT = {
    "type": "object",
    "description": "Each event.",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string", "description": "The job's version."},
        "event": {"enum": ["snapshot", "progress", "completed", "failed", "cancelled", "deleted"]},
        "data": {
            "type": "string",
            "description": "JSON: a `Job`; with `progress` what of it tells how far it is, up to `failedCount`.",
        },
    },
}
_DESCRIBED = {
    "responses": {
        200: {
            "description": "Server-sent events",
            "content": {CONTENT_TYPE: {"schema": _EVENT}},
        },
        204: {"description": "The job has ended, and you know it: `Last-Event-ID` says so."},
    }
}

router = Router(tags=["Jobs"], by_alias=True)


@router.get(
    "/{uuid:job_id}/stream",
    response={200: None, 204: None, **problems(404)},
    operation_id="streamJob",
    summary="Watch a job",
    openapi_extra=_DESCRIBED,
)
def stream_job(
    request: HttpRequest,
    job_id: uuid.UUID,
    last_event_id: Annotated[
        str, Header(alias="Last-Event-ID", description="Sent by browsers that connect again.")
    ] = "",
) -> HttpResponseBase:
    """Server-sent events, until the job has ended.

    First `snapshot`, with the whole job; then `progress`, at most every 300 ms, with how far it is; at last
    `completed`, `failed` or `cancelled`, with the whole job, or `deleted`. The id of an event is the job's `version`.
    A comment comes when there is nothing else to tell for 15 seconds.
    """
    job = load_job(request, job_id)
    if job.is_finished and last_event_id == str(job.version):
        # A browser's EventSource connects again whenever a stream ends; this tells it to stop.
        return HttpResponse(status=204)
    # Looked up now: the stream, which describes the job with its signed URLs, cannot wait for the database.
    bindings.of_request(request)
    place = openstreams.reserve(job.owner_id)
    return StreamingHttpResponse(_Events(request, job, place), content_type=CONTENT_TYPE, headers=_HEADERS)


class _Events:
    """What the stream sends. Only what is iterated asynchronously is sent as it comes, and costs no thread."""

    def __init__(self, request: HttpRequest, job: Job, place: Reservation) -> None:
        self._request = request
        self._job = job
        self._place = place
        self._proof = credentials.proof_of(request)
        self._language = translation.get_language()

    def close(self) -> None:
        """Called by Django at the end of the response, also when nothing of it was sent."""
        self._place.release()

    async def __aiter__(self) -> AsyncIterator[str]:
        with self._place, metrics.STREAMS.labels("sse").track_inprogress():
            await release_request_thread()
            yield f"retry: {RETRY_MILLISECONDS}\n\n"
            allowed = partial(admission.is_good, self._proof)
            watched = watching.watch(self._job.pk, self._job.owner_id, allowed=allowed)
            async with contextlib.aclosing(watched) as all_news:
                async for news in all_news:
                    yield self._text(news)

    def _text(self, news: News) -> str:
        match news:
            case Begun(job):
                return _event("snapshot", self._whole(job))
            case Changed(snapshot):
                return _event("progress", progress_of(snapshot))
            case Ended(job):
                return _event(job.status, self._whole(job))
            case Removed():
                return "event: deleted\ndata: {}\n\n"
            case Quiet():
                return ": heartbeat\n\n"

    def _whole(self, job: Job) -> JobOut:
        with translation.override(self._language):
            return describe(job, self._request)


def _event(name: str, told: Progress) -> str:
    return f"id: {told.version}\nevent: {name}\ndata: {json.dumps(told.as_json())}\n\n"
