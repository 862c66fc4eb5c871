"""Calls have ids, by which they and their jobs are found in the logs; and they are counted."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from accounts import metrics
from reports.models import Job
from reports.rpc.stubs.sales_pb2 import JobStatusRequest
from tests.files import sales_csv
from tests.reports.rpc.calling import Metadata, cut
from tests.reports.rpc.conftest import in_thread

pytestmark = pytest.mark.django_db(transaction=True)
NOBODYS = JobStatusRequest(job_id="00000000-0000-4000-8000-000000000000")


def id_in(metadata: Any) -> str:
    return str(dict(metadata).get("x-request-id", ""))


async def test_a_refusal_tells_the_id_that_the_call_came_with(stub: Any, auth: Metadata) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.GetJobStatus(NOBODYS, metadata=(*auth, ("x-request-id", "mine")))
    assert id_in(refused.value.trailing_metadata()) == "mine"


async def test_what_is_no_id_is_replaced(stub: Any, auth: Metadata) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.GetJobStatus(NOBODYS, metadata=(*auth, ("x-request-id", "a b")))
    assert len(id_in(refused.value.trailing_metadata())) == 32


async def test_a_job_keeps_the_id_of_the_call_that_sent_its_file(stub: Any, auth: Metadata, worker: None) -> None:
    call = stub.UploadCSV(cut(sales_csv(50)), metadata=(*auth, ("x-request-id", "by-grpc")))
    await call
    assert id_in(await call.trailing_metadata()) == "by-grpc"
    job = await in_thread(Job.objects.get)()
    assert job.request_id == "by-grpc"


@pytest.fixture
def lines(settings: Any, caplog: pytest.LogCaptureFixture) -> Iterator["asyncio.Queue[str]"]:
    """The log of calls. Who calls has the answer before there is its line."""
    settings.ACCESS_LOG = True
    queue: asyncio.Queue[str] = asyncio.Queue()
    handler = logging.Handler()
    handler.emit = lambda record: queue.put_nowait(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("reports.access")
    logger.addHandler(handler)
    with caplog.at_level(logging.INFO, logger.name):
        yield queue
    logger.removeHandler(handler)


async def test_calls_are_counted_by_how_they_ended_and_have_a_line_in_the_log(
    stub: Any, auth: Metadata, lines: "asyncio.Queue[str]"
) -> None:
    calls, refusals = (
        metrics.GRPC_CALLS.labels("GetJobStatus", "NOT_FOUND"),
        metrics.REFUSALS.labels("grpc", "not_found"),
    )
    before = calls._value.get(), refusals._value.get()
    with pytest.raises(grpc.aio.AioRpcError):
        await stub.GetJobStatus(NOBODYS, metadata=auth)
    assert (await asyncio.wait_for(lines.get(), timeout=20)).startswith("GetJobStatus NOT_FOUND")
    assert (calls._value.get(), refusals._value.get()) == (before[0] + 1, before[1] + 1)
