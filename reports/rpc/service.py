"""The methods of `sales.v1.SalesService`."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import Any

from accounts import metrics
from reports import lifecycle, openstreams, watching
from reports.models import Job
from reports.rpc import callers, endings, receiving, results
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
        self._is_stopping = False
        self._waiting: set[asyncio.Timeout] = set()

    def stop(self) -> None:
        """End the calls that only wait, now: whoever waits comes again, to another server."""
        self._is_stopping = True
        for limit in self._waiting:
            if limit.when() is None:
                limit.reschedule(0)

    async def UploadCSV(self, messages: AsyncIterator[UploadRequest], context: Context) -> UploadResponse:  # noqa: N802
        began = time.monotonic()

        async def told(job: Job) -> None:
            await context.send_initial_metadata(((JOB_ID, str(job.pk)),))

        received = await receiving.receive(callers.current().user, messages, told=told)
        ended = asyncio.create_task(self._ended(received))
        checked = asyncio.create_task(receiving.check_nothing_follows(messages))
        try:
            # The stream may stay open for as long as it likes; what comes in it is looked at while the job goes on.
            await asyncio.wait((ended, checked), return_when=asyncio.FIRST_COMPLETED)
            if checked.done():
                checked.result()
            job = await ended
        finally:
            ended.cancel()
            checked.cancel()
            await asyncio.gather(ended, checked, return_exceptions=True)
        endings.check_completed(job)
        return await in_thread(upload_response, job, seconds=time.monotonic() - began)

    async def DownloadResult(self, request: DownloadRequest, context: Context) -> DownloadResponse:  # noqa: N802
        job = await in_thread(load_job, request.result_id, callers.current().user, field="result_id")
        await results.prepare(job, request.file)
        return DownloadResponse(data=await in_thread(results.whole, job, request.file))

    async def StreamResult(  # noqa: N802
        self, request: DownloadRequest, context: Context
    ) -> AsyncIterator[DownloadResponse]:
        job = await in_thread(load_job, request.result_id, callers.current().user, field="result_id")
        with openstreams.reserve(job.owner_id):
            async with contextlib.aclosing(results.pieces(job, request.file)) as pieces:
                async for piece in pieces:
                    yield DownloadResponse(data=piece)

    async def GetJobStatus(self, request: JobStatusRequest, context: Context) -> JobStatus:  # noqa: N802
        return await in_thread(_status, request.job_id)

    async def WatchJob(self, request: WatchJobRequest, context: Context) -> AsyncIterator[JobStatus]:  # noqa: N802
        job = await in_thread(load_job, request.job_id, callers.current().user)
        last: JobStatus | None = None
        with openstreams.reserve(job.owner_id):
            async with contextlib.aclosing(self._news(job)) as all_news:
                async for news in all_news:
                    match news:
                        case Begun(job) | Ended(job):
                            told = await in_thread(job_status, job)
                            if told == last:
                                # It had ended when the watching began.
                                continue
                            last = told
                        case Changed(snapshot):
                            last = changed(snapshot)
                        case Quiet() | Removed():
                            # The last one is told again; of a job that is no more `_news` tells in its own way.
                            pass
                    if last is not None:
                        yield last

    async def CancelJob(self, request: CancelJobRequest, context: Context) -> JobStatus:  # noqa: N802
        return await in_thread(_cancel, request.job_id)

    async def _ended(self, job: Job) -> Job:
        """The job, when it has ended. Raises `Refusal` (401, 404, 503)."""
        async with contextlib.aclosing(self._news(job)) as all_news:
            async for news in all_news:
                if isinstance(news, Ended):
                    return news.job
        raise endings.removed()

    async def _news(self, job: Job) -> AsyncGenerator[News, None]:
        """What `watching` tells of `job`, until it has ended. Raises `Refusal`: 401 when its owner may not know any
        more, 404 when it is deleted, 503 when the server is being stopped."""
        watched = watching.watch(job.pk, job.owner_id)
        with metrics.STREAMS.labels("grpc").track_inprogress():
            async with contextlib.aclosing(watched) as all_news:
                while True:
                    news = await self._unless_stopped(anext(all_news, None))
                    if news is None:
                        raise endings.locked_out()
                    if isinstance(news, Removed):
                        raise endings.removed()
                    yield news
                    if isinstance(news, Ended):
                        return

    async def _unless_stopped(self, waiting: Awaitable[News | None]) -> News | None:
        """What `waiting` gives. Raises `Refusal` (503) when the server is being stopped meanwhile."""
        try:
            async with asyncio.timeout(0 if self._is_stopping else None) as limit:
                self._waiting.add(limit)
                return await waiting
        except TimeoutError:
            if not limit.expired():
                raise
            raise endings.stopping() from None
        finally:
            self._waiting.discard(limit)


def _status(job_id: str) -> JobStatus:
    return job_status(load_job(job_id, callers.current().user))


def _cancel(job_id: str) -> JobStatus:
    job = load_job(job_id, callers.current().user)
    lifecycle.cancel(job)
    return job_status(job)
