"""WatchJob: a job from where it is to its end, and a word when it cannot be told any more."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from channels.layers import get_channel_layer

from accounts import tokens
from accounts.models import ApiToken, User
from reports import events, lifecycle, runner, watching
from reports.models import Job
from reports.rpc.server import Server
from reports.rpc.stubs.sales_pb2 import JobStatus, JobStatusRequest, WatchJobRequest
from tests.files import sales_csv
from tests.reports.rpc.calling import Expected, Metadata, all_of, refused
from tests.reports.rpc.conftest import in_thread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DATA = sales_csv(500, bad_every=50)
MakeJob = Callable[..., Job]


@pytest.fixture
async def job(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> Job:
    made: Job = await in_thread(make_job)(DATA)
    # The next progress is not too soon after the upload's.
    monkeypatch.setattr(events, "_last_progress", {})
    return made


def watch(stub: Any, job: Job | str, auth: Metadata) -> Any:
    request = WatchJobRequest(job_id=job if isinstance(job, str) else str(job.pk))
    return stub.WatchJob(request, metadata=auth, timeout=30)


async def nobody_listens() -> None:
    """Wait until nothing of those who watched is left."""
    async with asyncio.timeout(20):
        while len(getattr(get_channel_layer(), "groups", {})):
            await asyncio.sleep(0.01)


async def test_it_tells_a_job_from_where_it_is_to_its_end(stub: Any, auth: Metadata, job: Job) -> None:
    call = watch(stub, job, auth)
    first = await call.read()
    assert (first.status, first.version) == ("pending", job.version)
    await in_thread(lifecycle.upload_progressed)(job.upload)
    second = await call.read()
    assert (second.status, second.version) == ("pending", job.version + 1)
    await in_thread(runner.run_all)()
    *changes, last = await all_of(call)
    versions = [told.version for told in (first, second, *changes, last)]
    assert versions == sorted(set(versions))
    right = Expected.of(DATA)
    assert (last.status, last.total, dict(last.reasons)) == (
        "completed",
        right.total,
        {"invalid_sales": right.bad_rows},
    )
    assert sorted(last.download_urls) == ["csv", "errors", "json", "parquet", "xlsx"]
    assert last == await stub.GetJobStatus(JobStatusRequest(job_id=str(job.pk)), metadata=auth)
    await nobody_listens()


@pytest.mark.parametrize("ending", ["completed", "cancelled"])
async def test_of_a_job_that_has_ended_it_tells_that_once(stub: Any, auth: Metadata, job: Job, ending: str) -> None:
    await in_thread(lifecycle.cancel)(job) if ending == "cancelled" else await in_thread(runner.run_all)()
    [told] = await all_of(watch(stub, job, auth))
    assert told.status == ending


async def test_while_nothing_changes_the_last_one_is_told_again(
    stub: Any, auth: Metadata, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.05)
    call = watch(stub, job, auth)
    assert await call.read() == await call.read() == await call.read()


async def test_that_a_job_is_deleted_ends_it(stub: Any, auth: Metadata, job: Job) -> None:
    call = watch(stub, job, auth)
    await call.read()
    await in_thread(lifecycle.delete)(job)
    assert (await refused(all_of(call))).kind == ("NOT_FOUND", "not_found")


@pytest.mark.parametrize("why", ["token revoked", "token expired", "account locked"])
async def test_who_may_not_know_any_more_is_told_so(
    stub: Any, auth: Metadata, job: Job, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    monkeypatch.setattr(watching, "REREAD_SECONDS", 0.05)
    call = watch(stub, job, auth)
    await call.read()
    if why == "token revoked":
        await in_thread(lambda: tokens.revoke(ApiToken.objects.get()))()
    elif why == "token expired":
        await in_thread(ApiToken.objects.update)(expires_at=job.created_at)
    else:
        await in_thread(User.objects.update)(is_active=False)
    assert (await refused(all_of(call))).kind == ("UNAUTHENTICATED", "unauthorized")
    await in_thread(job.refresh_from_db)()
    assert job.status == "pending"


async def test_a_token_that_may_only_read_will_do(stub: Any, user: User, job: Job) -> None:
    token = await in_thread(tokens.issue)(user, name="reader", scopes=ApiToken.Scopes.READ)
    assert (await watch(stub, job, (("authorization", f"Bearer {token}"),)).read()).status == "pending"


async def test_somebody_elses_job_is_not_found(stub: Any, auth: Metadata, make_job: MakeJob, stranger: User) -> None:
    theirs = await in_thread(make_job)(DATA, owner=stranger)
    assert (await refused(all_of(watch(stub, theirs, auth)))).kind == ("NOT_FOUND", "not_found")
    assert (await refused(all_of(watch(stub, "nonsense", auth)))).kind == ("INVALID_ARGUMENT", "invalid_id")


@pytest.mark.parametrize("how", ["cancelled", "too late"])
async def test_who_stops_watching_leaves_nothing_behind(stub: Any, auth: Metadata, job: Job, how: str) -> None:
    request = WatchJobRequest(job_id=str(job.pk))
    call = stub.WatchJob(request, metadata=auth, timeout=1 if how == "too late" else None)
    await call.read()
    if how == "cancelled":
        call.cancel()
    else:
        assert (await refused(all_of(call))).code is grpc.StatusCode.DEADLINE_EXCEEDED
    await nobody_listens()


async def test_a_server_that_stops_sends_its_watchers_elsewhere_at_once(
    server: Server, stub: Any, auth: Metadata, job: Job
) -> None:
    calls = [watch(stub, job, auth) for _ in range(3)]
    for call in calls:
        await call.read()
    async with asyncio.timeout(5):
        await server.stop(20)
    for call in calls:
        assert (await refused(all_of(call))).kind == ("UNAVAILABLE", "stopping")
    await nobody_listens()


async def test_all_of_many_see_the_end_and_other_calls_go_on(
    server: Server, stub: Any, auth: Metadata, job: Job
) -> None:
    """More than there are threads."""

    async def last() -> JobStatus:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call = watch(type(stub)(channel), job, auth)
            await call.read()
            begun.release()
            told: JobStatus = (await all_of(call))[-1]
            return told

    begun = asyncio.Semaphore(0)
    watchers = [asyncio.create_task(last()) for _ in range(30)]
    for _ in watchers:
        await begun.acquire()
    await stub.GetJobStatus(JobStatusRequest(job_id=str(job.pk)), metadata=auth, timeout=10)
    await in_thread(runner.run_all)()
    endings = await asyncio.gather(*watchers)
    assert [ending.total for ending in endings] == [Expected.of(DATA).total] * 30
    await nobody_listens()


async def test_one_too_many_is_refused_until_another_has_ended(
    stub: Any, auth: Metadata, job: Job, settings: Any
) -> None:
    settings.MAX_OPEN_STREAMS = 1
    call = watch(stub, job, auth)
    assert (await call.read()).status == "pending"
    assert (await refused(all_of(watch(stub, job, auth)))).kind == ("RESOURCE_EXHAUSTED", "too_many_streams")
    await in_thread(runner.run_all)()
    assert (await all_of(call))[-1].status == "completed"
    assert [told.status for told in await all_of(watch(stub, job, auth))] == ["completed"]
