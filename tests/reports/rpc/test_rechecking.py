"""Calls that last end within seconds when their credentials do, and return nothing that works without them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from django.db import OperationalError

from accounts import sessions, tokens
from accounts.models import ApiToken, User
from reports import runner, watching
from reports.models import Job
from reports.rpc import results
from reports.rpc.callers import Caller
from reports.rpc.stubs.sales_pb2 import DownloadRequest, JobStatusRequest, UploadRequest, WatchJobRequest
from tests.accounts.test_jwt import Program
from tests.files import sales_csv
from tests.reports.rpc.calling import Metadata, all_of, bearer, refused
from tests.reports.rpc.conftest import in_thread
from tests.reports.rpc.test_upload import gone, the_job, whole
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(500)
ENDED = ("UNAUTHENTICATED", "unauthorized")


def revoke_token() -> None:
    tokens.revoke(ApiToken.objects.get())


def log_out() -> None:
    assert sessions.end_all(User.objects.get())


def change_password() -> None:
    user = User.objects.get()
    user.set_password("another horse battery")
    user.save()


def lock_account() -> None:
    User.objects.update(is_active=False)


# Each kind of credentials, and what ends it.
ENDINGS = [
    ("token", revoke_token),
    ("token", lock_account),
    ("web token", log_out),
    ("web token", change_password),
    ("web token", lock_account),
    ("nothing", lock_account),
]
ended_credentials = pytest.mark.parametrize(
    ("kind", "end"), ENDINGS, ids=[f"{kind}-{end.__name__}" for kind, end in ENDINGS]
)


@pytest.fixture
def kind() -> str:
    return "token"


@pytest.fixture
def credentials(request: pytest.FixtureRequest, kind: str, user: User, settings: Any) -> Metadata:
    """The metadata of calls of `user`, by the kind of credentials that the test names."""
    if kind == "token":
        return bearer(request.getfixturevalue("token"))
    if kind == "web token":
        return bearer(Program().access)
    settings.GRPC_ANONYMOUS_USER = user.email
    return ()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "REREAD_SECONDS", 0.05)


@ended_credentials
async def test_upload_in_the_middle_of_its_file_ends(
    stub: Any, credentials: Metadata, often: None, files: Path, end: Callable[[], None]
) -> None:
    call = stub.UploadCSV(metadata=credentials, timeout=60)
    await call.write(UploadRequest(data=DATA[:1000]))
    await call.initial_metadata()
    await in_thread(end)()
    # The client sends nothing more, and does not end its stream.
    assert (await refused(call)).kind == ENDED
    await gone(files)
    assert (await the_job()).status == "cancelled"


@ended_credentials
async def test_upload_that_is_checked_at_its_end_alone_leaves_nothing(
    stub: Any, credentials: Metadata, files: Path, end: Callable[[], None]
) -> None:
    call = stub.UploadCSV(metadata=credentials, timeout=60)
    await call.write(UploadRequest(data=DATA[:1000]))
    await call.initial_metadata()
    await in_thread(end)()
    await call.write(UploadRequest(data=DATA[1000:], eof=True))
    assert (await refused(call)).kind == ENDED
    await gone(files)
    assert not await in_thread(Upload.objects.exclude(completed_at=None).exists)()


@ended_credentials
async def test_upload_that_waits_for_its_result_ends_and_its_job_continues(
    stub: Any, credentials: Metadata, often: None, end: Callable[[], None]
) -> None:
    call = stub.UploadCSV(metadata=credentials, timeout=60)
    await call.write(UploadRequest(data=DATA, eof=True))
    await whole()
    await in_thread(end)()
    assert (await refused(call)).kind == ENDED
    assert (await the_job()).upload.completed_at is not None


@ended_credentials
async def test_upload_returns_no_signed_url(stub: Any, credentials: Metadata, end: Callable[[], None]) -> None:
    call = stub.UploadCSV(metadata=credentials, timeout=60)
    await call.write(UploadRequest(data=DATA, eof=True))
    await whole()
    await in_thread(end)()
    await in_thread(runner.run_all)()
    assert (await refused(call)).kind == ENDED


@ended_credentials
async def test_watching_ends(
    stub: Any, credentials: Metadata, often: None, make_job: Callable[..., Job], end: Callable[[], None]
) -> None:
    job = await in_thread(make_job)(DATA)
    call = stub.WatchJob(WatchJobRequest(job_id=str(job.pk)), metadata=credentials, timeout=60)
    assert (await call.read()).status == "pending"
    await in_thread(end)()
    assert (await refused(all_of(call))).kind == ENDED


@ended_credentials
async def test_watching_tells_no_signed_url(
    stub: Any, credentials: Metadata, make_job: Callable[..., Job], end: Callable[[], None]
) -> None:
    job = await in_thread(make_job)(DATA)
    call = stub.WatchJob(WatchJobRequest(job_id=str(job.pk)), metadata=credentials, timeout=60)
    assert (await call.read()).status == "pending"
    await in_thread(end)()
    await in_thread(runner.run_all)()
    told: list[Any] = []
    with pytest.raises(grpc.aio.AioRpcError) as error:
        while True:
            told.append(await call.read())
            assert told[-1] is not grpc.aio.EOF
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert not any(status.download_urls for status in told)


@ended_credentials
async def test_download_in_pieces_ends(
    stub: Any,
    credentials: Metadata,
    often: None,
    make_job: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[], None],
) -> None:
    job = await in_thread(make_job)(DATA)
    await in_thread(runner.run_all)()

    async def endless(job: Job, file: str) -> AsyncIterator[bytes]:
        while True:
            yield b"a piece of a large file"
            await asyncio.sleep(0.01)

    monkeypatch.setattr(results, "pieces", endless)
    call = stub.StreamResult(DownloadRequest(result_id=str(job.pk)), metadata=credentials, timeout=60)
    await call.read()
    await in_thread(end)()
    with pytest.raises(grpc.aio.AioRpcError) as error:
        while await call.read() is not grpc.aio.EOF:
            pass
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_web_token_may_expire_while_its_session_lives(
    stub: Any, user: User, often: None, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = bearer((await in_thread(Program)()).access)
    call = stub.UploadCSV(metadata=auth, timeout=60)
    await call.write(UploadRequest(data=DATA[:1000]))
    await call.initial_metadata()
    monkeypatch.setattr("jwt.api_jwt.datetime", InAnHour)
    assert (await refused(stub.GetJobStatus(JobStatusRequest(job_id="x"), metadata=auth))).kind == ENDED
    await checked_again(monkeypatch)
    await call.write(UploadRequest(data=DATA[1000:], eof=True))
    assert (await call).download_url


class InAnHour(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.now(tz) + timedelta(hours=1)


async def checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until the credentials of a call were checked twice."""
    loop, checks = asyncio.get_running_loop(), asyncio.Semaphore(0)
    accepted = Caller.is_accepted

    def noted(caller: Caller) -> bool:
        loop.call_soon_threadsafe(checks.release)
        return accepted(caller)

    monkeypatch.setattr(Caller, "is_accepted", noted)
    async with asyncio.timeout(20):
        for _ in range(2):
            await checks.acquire()


async def test_a_database_that_is_down_for_a_moment_ends_no_call(
    stub: Any, auth: Metadata, often: None, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = stub.UploadCSV(metadata=auth, timeout=60)
    await call.write(UploadRequest(data=DATA[:1000]))
    await call.initial_metadata()
    with monkeypatch.context() as down:

        def fail(caller: Caller) -> bool:
            raise OperationalError("the database is down")

        down.setattr(Caller, "is_accepted", fail)
        await checked_again(down)
    await call.write(UploadRequest(data=DATA[1000:], eof=True))
    assert (await call).rows == 500
