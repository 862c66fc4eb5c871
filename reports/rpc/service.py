"""The methods of `sales.v1.SalesService`."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from django.utils.translation import gettext as _

from accounts.errors import Refusal
from reports import lifecycle, watching
from reports.models import Job
from reports.rpc import callers, receiving, results
from reports.rpc.messages import changed, job_status, load_job, upload_response
from reports.rpc.stubs import sales_pb2_grpc
from reports.rpc.stubs.sales_pb2 import (
    CancelJobRequest,
    DownloadRequest,
    DownloadResponse,
    JobStatus,
    JobStatusRequest,
    UploadRequest,
    UploadResponse,
    WatchJobRequest,
)
from reports.rpc.threads import in_thread
from reports.watching import Begun, Changed, Ended, News, Quiet, Removed

Context = Any
# In the metadata that comes before the answer to an upload.
JOB_ID = "salesagg-job-id"


class SalesService(sales_pb2_grpc.SalesServiceServicer):
    """Each call is made in the name of `callers.current()`; see `reports.rpc.guard`."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End the calls that only wait, now: whoever waits comes again, to another server."""
        self._stopping.set()

    async def UploadCSV(self, messages: AsyncIterator[UploadRequest], context: Context) -> UploadResponse:  # noqa: N802
        began = time.monotonic()

        async def told(job: Job) -> None:
            await context.send_initial_metadata(((JOB_ID, str(job.pk)),))

        received = await receiving.receive(callers.current().user, messages, told=told)
        late = asyncio.ensure_future(anext(messages, None))
        try:
            job = await self._ended(received)
            _check_completed(job)
            if late.done() and late.result() is not None:
                message = _("Messages came after the one with “eof”, which ended the file. They are not in the result.")
                raise Refusal("data_after_eof", message, status=400)
        finally:
            late.cancel()
        return await in_thread(upload_response, job, seconds=time.monotonic() - began)

    async def DownloadResult(self, request: DownloadRequest, context: Context) -> DownloadResponse:  # noqa: N802
        job = await in_thread(load_job, request.result_id, callers.current().user)
        return DownloadResponse(data=await in_thread(results.whole, job, request.file))

    async def StreamResult(  # noqa: N802
        self, request: DownloadRequest, context: Context
    ) -> AsyncIterator[DownloadResponse]:
        job = await in_thread(load_job, request.result_id, callers.current().user)
        async with contextlib.aclosing(results.pieces(job, request.file)) as pieces:
            async for piece in pieces:
                yield DownloadResponse(data=piece)

    async def GetJobStatus(self, request: JobStatusRequest, context: Context) -> JobStatus:  # noqa: N802
        return await in_thread(_status, request.job_id)

    async def WatchJob(self, request: WatchJobRequest, context: Context) -> AsyncIterator[JobStatus]:  # noqa: N802
        job = await in_thread(load_job, request.job_id, callers.current().user)
        last = JobStatus()
        async with contextlib.aclosing(self._news(job)) as all_news:
            async for news in all_news:
                match news:
                    case Begun(job) | Ended(job):
                        last = await in_thread(job_status, job)
                    case Changed(snapshot):
                        last = changed(snapshot)
                    case Quiet():
                        pass
                    case Removed():
                        raise _removed()
                yield last

    async def CancelJob(self, request: CancelJobRequest, context: Context) -> JobStatus:  # noqa: N802
        return await in_thread(_cancel, request.job_id)

    async def _ended(self, job: Job) -> Job:
        """The job, when it has ended. Raises `Refusal` (404, 503)."""
        async with contextlib.aclosing(self._news(job)) as all_news:
            async for news in all_news:
                if isinstance(news, Ended):
                    return news.job
        raise _removed()

    async def _news(self, job: Job) -> AsyncGenerator[News, None]:
        """What `watching` tells of `job`. Raises `Refusal` (503) when the server is being stopped."""
        stopping = asyncio.create_task(self._stopping.wait())
        allowed = callers.current().is_still_allowed
        try:
            async with contextlib.aclosing(watching.watch(job.pk, job.owner_id, allowed=allowed)) as all_news:
                while True:
                    coming = asyncio.ensure_future(anext(all_news, None))
                    await asyncio.wait((coming, stopping), return_when=asyncio.FIRST_COMPLETED)
                    if not coming.done():
                        coming.cancel()
                        with contextlib.suppress(asyncio.CancelledError):
                            await coming
                        message = _("The server is being restarted; the job goes on. Ask again, here or elsewhere.")
                        raise Refusal("stopping", message, status=503)
                    news = coming.result()
                    if news is None:
                        return
                    yield news
        finally:
            stopping.cancel()


def _status(job_id: str) -> JobStatus:
    return job_status(load_job(job_id, callers.current().user))


def _cancel(job_id: str) -> JobStatus:
    job = load_job(job_id, callers.current().user)
    lifecycle.cancel(job)
    return job_status(job)


def _check_completed(job: Job) -> None:
    """Raise `Refusal` (400, 409, 500) unless `job` came to its result."""
    if job.status == Job.Status.CANCELLED:
        raise Refusal("job_cancelled", _("The job was cancelled before it had a result."), status=409)
    if job.status == Job.Status.FAILED:
        raise Refusal(job.error_code, job.error, status=500 if job.error_code == "worker_lost" else 400)


def _removed() -> Refusal:
    return Refusal("not_found", _("The job has been deleted."), status=404)
