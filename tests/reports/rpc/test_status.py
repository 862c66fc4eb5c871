"""GetJobStatus and CancelJob."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from reports import lifecycle
from reports.lifecycle import claims
from reports.models import Job
from reports.rpc.stubs.sales_pb2 import CancelJobRequest, JobStatus, JobStatusRequest
from tests.files import sales_csv
from tests.reports.rpc.calling import Expected, Metadata, refused
from tests.reports.rpc.conftest import in_thread

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(500, bad_every=50)
MakeJob = Callable[..., Job]


async def status(stub: Any, job: Job | str, auth: Metadata) -> JobStatus:
    request = JobStatusRequest(job_id=job if isinstance(job, str) else str(job.pk))
    told: JobStatus = await stub.GetJobStatus(request, metadata=auth)
    return told


async def cancel(stub: Any, job: Job | str, auth: Metadata) -> JobStatus:
    request = CancelJobRequest(job_id=job if isinstance(job, str) else str(job.pk))
    told: JobStatus = await stub.CancelJob(request, metadata=auth)
    return told


async def test_a_job_whose_file_is_still_coming(stub: Any, auth: Metadata, make_job: MakeJob) -> None:
    job = await in_thread(make_job)(DATA, chunk=len(DATA) - 1, whole=False)
    told = await status(stub, job, auth)
    assert (told.job_id, told.status, told.state, told.kind) == (str(job.pk), "pending", "uploading", "sales")
    assert (told.file_name, told.uploaded_bytes, told.total_bytes) == ("sales.csv", len(DATA) - 1, len(DATA))
    assert (told.processed_bytes, told.processed_rows) == (0, 0)
    for field in ("total_rows", "departments", "error", "started_at", "finished_at", "download_urls_expire_at"):
        assert not told.HasField(field)
    assert told.created_at.ToDatetime().replace(tzinfo=job.created_at.tzinfo) == job.created_at
    assert (told.total, dict(told.reasons), dict(told.download_urls)) == ("", {}, {})


async def test_a_job_that_is_done(stub: Any, auth: Metadata, finished: MakeJob) -> None:
    job = await in_thread(finished)(DATA)
    told, right = await status(stub, job, auth), Expected.of(DATA)
    assert (told.status, told.state, told.version) == ("completed", "done_with_rejects", job.version)
    assert (told.processed_rows, told.total_rows) == (right.rows, right.rows)
    assert (told.success_count, told.failed_count) == (right.rows - right.bad_rows, right.bad_rows)
    assert (told.departments, told.total) == (right.departments, right.total)
    assert (told.processed_bytes, told.uploaded_bytes) == (len(DATA), len(DATA))
    assert dict(told.reasons) == {"invalid_sales": right.bad_rows}
    assert sorted(told.download_urls) == ["csv", "errors", "json", "parquet", "xlsx"]
    assert told.started_at.seconds <= told.finished_at.seconds < told.download_urls_expire_at.seconds
    assert not told.HasField("error")


async def test_a_job_that_has_failed(stub: Any, auth: Metadata, finished: MakeJob) -> None:
    told = await status(stub, await in_thread(finished)(b""), auth)
    assert (told.status, told.state, told.error.code) == ("failed", "failed", "empty_file")
    assert "Export it again" in told.error.detail
    assert not told.download_urls


async def test_a_file_whose_length_nobody_knows_has_none(stub: Any, auth: Metadata, make_job: MakeJob) -> None:
    job = await in_thread(make_job)(DATA, chunk=1000, whole=False)
    await in_thread(type(job.upload).objects.update)(length=None)
    assert not (await status(stub, job, auth)).HasField("total_bytes")


async def test_a_job_that_waits_is_cancelled_at_once(stub: Any, auth: Metadata, make_job: MakeJob) -> None:
    job = await in_thread(make_job)(DATA)
    told = await cancel(stub, job, auth)
    assert (told.status, told.state, told.version) == ("cancelled", "cancelled", job.version + 1)
    assert (await status(stub, job, auth)) == told


async def test_a_job_that_is_worked_on_is_being_cancelled(stub: Any, auth: Metadata, make_job: MakeJob) -> None:
    job = await in_thread(make_job)(DATA)
    claim = await in_thread(claims.claim)()
    told = await cancel(stub, job, auth)
    assert (told.status, told.state) == ("processing", "cancelling")
    await in_thread(lifecycle.cancelled)(claim)
    assert (await status(stub, job, auth)).state == "cancelled"


async def test_what_has_ended_cannot_be_cancelled(stub: Any, auth: Metadata, finished: MakeJob) -> None:
    job = await in_thread(finished)(DATA)
    assert (await refused(cancel(stub, job, auth))).kind == ("FAILED_PRECONDITION", "job_finished")
    assert (await status(stub, job, auth)).status == "completed"


@pytest.mark.parametrize("ask", [status, cancel])
async def test_somebody_elses_job_is_not_found(
    stub: Any, auth: Metadata, make_job: MakeJob, stranger: User, ask: Callable[..., Any]
) -> None:
    theirs = await in_thread(make_job)(DATA, owner=stranger)
    refusals = [
        await refused(ask(stub, theirs, auth)),
        await refused(ask(stub, "123e4567-e89b-12d3-a456-426614174000", auth)),
    ]
    assert {refusal.kind for refusal in refusals} == {("NOT_FOUND", "not_found")}
    assert len({refusal.message for refusal in refusals}) == 1
    await in_thread(theirs.refresh_from_db)()
    assert theirs.status == "pending"


@pytest.mark.parametrize("ask", [status, cancel])
@pytest.mark.parametrize("nonsense", ["", "1", "nonsense", "\0" * 32, "ä" * 36])
async def test_what_is_no_id_is_refused(stub: Any, auth: Metadata, ask: Callable[..., Any], nonsense: str) -> None:
    refusal = await refused(ask(stub, nonsense, auth))
    assert refusal.kind == ("INVALID_ARGUMENT", "invalid_id")
    assert refusal.field == "job_id"
