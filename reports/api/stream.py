"""A job's progress as server-sent events: what `reports.watching` tells, as text."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from asgiref.sync import SyncToAsync, sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from ninja import Header, Router

from accounts import credentials, metrics
from accounts.api.schemas import problems
from accounts.errors import Refusal
from reports import openstreams, readings, watching
from reports.api.jobs import load_job
from reports.api.schemas import JobOut, Progress, describe, progress_of
from reports.models import Job
from reports.watching import Begun, Changed, Ended, News, Quiet, Removed
from salesagg.core import trusted_request

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
    openstreams.check(job.owner_id)
    return StreamingHttpResponse(_Events(request, job), content_type=CONTENT_TYPE, headers=_HEADERS)


class _Events:
    """What the stream sends. Only what is iterated asynchronously is sent as it comes, and costs no thread."""

    def __init__(self, request: HttpRequest, job: Job) -> None:
        self._request = request
        self._job = job
        self._language = translation.get_language()

    async def __aiter__(self) -> AsyncIterator[str]:
        await _let_thread_go()
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        watched = watching.watch(self._job.pk, self._job.owner_id, allowed=_still_allowed(self._request))
        async with contextlib.aclosing(watched) as all_news:
            with metrics.STREAMS.labels("sse").track_inprogress(), openstreams.counted(self._job.owner_id):
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


def _still_allowed(request: HttpRequest) -> Callable[[], Awaitable[bool]]:
    """Asks whether what the caller came with would still be accepted: the token, or the session."""
    header = trusted_request.authorization(request)
    session = request.session

    def token_is_valid() -> bool:
        try:
            credentials.from_header(header or "")
        except Refusal:
            return False
        return True

    def session_is_open() -> bool:
        return bool(session.session_key and session.exists(session.session_key))

    key, look = (session.session_key, session_is_open) if header is None else (header, token_is_valid)
    # Many may come with the same; of them one asks.
    return lambda: readings.read(key, look, max_age=watching.REREAD_SECONDS / 2, enough=bool)


async def _let_thread_go() -> None:
    """Django keeps a thread for each request, and a connection to the database with it, until the response has been
    sent: for hours, here. Neither is needed any more. What Django does at the end makes a new thread."""
    await sync_to_async(close_old_connections)()
    context = SyncToAsync.thread_sensitive_context.get(None)
    executor = SyncToAsync.context_to_thread_executor.pop(context, None) if context else None
    if executor is not None:
        executor.shutdown(wait=False)
