"""UploadCSV, closed at any moment: before the file's end nothing is left of it; after it the job goes on."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from django.core.files.storage import FileSystemStorage

from reports import runner
from reports.models import Job
from reports.rpc import receiving
from reports.rpc.server import Server
from reports.rpc.stubs.sales_pb2 import UploadRequest
from reports.rpc.stubs.sales_pb2_grpc import SalesServiceStub
from tests.files import sales_csv
from tests.reports.rpc.calling import Expected, Metadata, nothing_left, refused
from tests.reports.rpc.conftest import in_thread
from tests.reports.rpc.test_upload import gone, the_job, whole
from uploads import lifecycle as uploads
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(500)
PART = 4000


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "PART_BYTES", PART)


async def begun(call: Any, *, size: int = 1000) -> None:
    """The call has sent this much, and its job is there."""
    await call.write(UploadRequest(data=DATA[:size], filename="sales.csv"))
    await call.initial_metadata()


async def completed(job: Job) -> None:
    await in_thread(runner.run_all)()
    await in_thread(job.refresh_from_db)()
    expected = Expected.of(DATA)
    assert (job.status, job.rows, job.total) == ("completed", expected.rows, expected.total)


@pytest.mark.parametrize("pause", [0, 0.001, 0.02])
async def test_what_was_sent_before_the_call_was_cancelled_is_never_taken_for_the_file(
    stub: Any, auth: Metadata, files: Path, pause: float
) -> None:
    """Of a stream that is cancelled gRPC tells first that it has ended."""
    for _ in range(10):
        call = stub.UploadCSV(metadata=auth)
        await begun(call)
        await asyncio.sleep(pause)
        call.cancel()
    await gone(files)
    assert [job.status async for job in Job.objects.all()] == ["cancelled"] * 10
    assert not await in_thread(Upload.objects.exclude(completed_at=None).exists)()


async def test_a_connection_that_breaks_takes_the_file_with_it(server: Server, auth: Metadata, files: Path) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        await begun(SalesServiceStub(channel).UploadCSV(metadata=auth))  # type: ignore[no-untyped-call]
    await gone(files)
    assert (await the_job()).status == "cancelled"


async def test_a_deadline_in_the_middle_of_the_file_takes_it_back(stub: Any, auth: Metadata, files: Path) -> None:
    call = stub.UploadCSV(metadata=auth, timeout=0.5)
    await begun(call, size=3 * PART)
    refusal = await refused(call)
    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await gone(files)
    assert (await the_job()).status == "cancelled"


async def test_a_call_that_is_cancelled_before_its_first_message_leaves_nothing(
    stub: Any, auth: Metadata, files: Path
) -> None:
    for pause in (0, 0.01, 0.05):
        call = stub.UploadCSV(metadata=auth)
        await asyncio.sleep(pause)
        call.cancel()
    # The server is there for the next.
    assert (await refused(stub.UploadCSV(iter(()), metadata=auth))).reason == "empty_stream"
    await in_thread(nothing_left)(files)
    assert not await in_thread(Job.objects.exists)()


class Gate:
    """Holds up whoever comes through, until it is opened."""

    def __init__(self) -> None:
        self._reached, self._open = threading.Event(), threading.Event()

    def pass_through(self) -> None:
        self._reached.set()
        assert self._open.wait(20)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, 20)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()


async def test_cancelled_while_the_job_is_being_made(
    stub: Any, auth: Metadata, files: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = uploads.create

    def slowly(*args: Any, **kwargs: Any) -> Upload:
        gate.pass_through()
        return create(*args, **kwargs)

    monkeypatch.setattr(uploads, "create", slowly)
    call = stub.UploadCSV(metadata=auth)
    await call.write(UploadRequest(data=DATA[:1000]))
    await gate.reached()
    call.cancel()
    await asyncio.sleep(0.05)
    gate.open()
    await taken_back(files)


async def taken_back(files: Path) -> None:
    async with asyncio.timeout(20):
        while not await in_thread(Job.objects.filter(status="cancelled").exists)():
            await asyncio.sleep(0.01)
    await gone(files)


async def test_cancelled_while_a_part_is_being_stored(
    stub: Any, auth: Metadata, files: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(monkeypatch, gate)
    call = stub.UploadCSV(metadata=auth)
    await begun(call, size=PART)
    await gate.reached()
    call.cancel()
    await asyncio.sleep(0.05)
    assert (await the_job()).status == "pending"
    gate.open()
    await taken_back(files)


def slow(monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    save = FileSystemStorage.save

    def slowly(storage: FileSystemStorage, name: str, *args: Any, **kwargs: Any) -> str:
        gate.pass_through()
        return save(storage, name, *args, **kwargs)

    monkeypatch.setattr(FileSystemStorage, "save", slowly)


@pytest.mark.parametrize("parts", ["the last part", "an earlier part"])
async def test_after_the_last_byte_the_job_goes_on_though_a_part_is_still_being_stored(
    stub: Any, auth: Metadata, gate: Gate, monkeypatch: pytest.MonkeyPatch, parts: str
) -> None:
    slow(monkeypatch, gate)
    call = stub.UploadCSV(metadata=auth)
    first = PART if parts == "an earlier part" else 100
    await call.write(UploadRequest(data=DATA[:first]))
    await call.write(UploadRequest(data=DATA[first:], eof=True))
    await gate.reached()
    # The last message is on its way, and nothing tells when it is there.
    await asyncio.sleep(0.1)
    call.cancel()
    await asyncio.sleep(0.05)
    gate.open()
    await whole()
    await completed(await the_job())


@pytest.mark.parametrize("how", ["cancelled", "too late"])
@pytest.mark.parametrize("end", ["eof", "half-close"])
async def test_after_the_last_byte_the_job_goes_on(stub: Any, auth: Metadata, end: str, how: str) -> None:
    call = stub.UploadCSV(metadata=auth, timeout=2 if how == "too late" else None)
    await call.write(UploadRequest(data=DATA, eof=end == "eof"))
    if end == "half-close":
        await call.done_writing()
    await whole()
    if how == "cancelled":
        call.cancel()
    else:
        assert (await refused(call)).code is grpc.StatusCode.DEADLINE_EXCEEDED
    await completed(await the_job())


async def test_a_server_that_stops_tells_who_waits_and_the_job_goes_on(
    server: Server, stub: Any, auth: Metadata
) -> None:
    call = stub.UploadCSV(metadata=auth)
    await call.write(UploadRequest(data=DATA, eof=True))
    await whole()
    await server.stop()
    refusal = await refused(call)
    assert refusal.kind == ("UNAVAILABLE", "stopping")
    await completed(await the_job())


async def test_a_server_that_stops_lets_files_come_to_their_end(server: Server, stub: Any, auth: Metadata) -> None:
    call = stub.UploadCSV(metadata=auth)
    await begun(call)
    stopping = asyncio.create_task(server.stop(20))
    await asyncio.sleep(0.05)
    await call.write(UploadRequest(data=DATA[1000:], eof=True))
    assert (await refused(call)).reason == "stopping"
    await stopping
    await completed(await the_job())


async def test_a_server_that_cannot_wait_takes_back_what_has_not_come_to_its_end(
    server: Server, stub: Any, auth: Metadata, files: Path
) -> None:
    call = stub.UploadCSV(metadata=auth)
    await begun(call, size=2 * PART)
    await server.stop(0.1)
    # It has been taken back by now: a process would end here.
    await in_thread(nothing_left)(files)
    assert (await refused(call)).code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
