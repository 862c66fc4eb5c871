"""DownloadResult and StreamResult: what a job has ended in, whole or piece by piece, as over HTTP."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connections
from django.test import Client

from accounts import streaming
from accounts.models import User
from reports.models import Job
from reports.rpc import results
from reports.rpc.stubs.sales_pb2 import DownloadRequest, JobStatusRequest
from tests.files import HEADER, customers_csv, sales_csv
from tests.reports.rpc.calling import Expected, Metadata, all_of, refused
from tests.reports.rpc.conftest import in_thread
from tests.reports.test_downloads import content

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(500, bad_every=50, departments=40)
FILES = {
    "csv": "result.csv", "xlsx": "result.xlsx", "json": "result.json", "parquet": "result.parquet",
    "errors": "errors.csv",
}  # fmt: skip
MakeJob = Callable[..., Job]


@pytest.fixture
async def job(finished: MakeJob) -> Job:
    made: Job = await in_thread(finished)(DATA)
    return made


async def streamed(stub: Any, request: DownloadRequest, auth: Metadata) -> bytes:
    return b"".join([message.data for message in await all_of(stub.StreamResult(request, metadata=auth))])


async def test_without_a_name_it_is_the_result_as_csv(stub: Any, auth: Metadata, job: Job) -> None:
    request = DownloadRequest(result_id=str(job.pk))
    assert (await stub.DownloadResult(request, metadata=auth)).data == Expected.of(DATA).csv
    assert await streamed(stub, request, auth) == Expected.of(DATA).csv


def downloaded(address: str) -> bytes:
    """As over HTTP, without logging in; for a thread, whose connection to the database goes with it."""
    try:
        return content(Client().get(address))
    finally:
        connections.close_all()


@pytest.mark.parametrize(("name", "file"), FILES.items())
async def test_each_file_is_the_same_whole_in_pieces_and_by_its_address(
    stub: Any, auth: Metadata, job: Job, monkeypatch: pytest.MonkeyPatch, name: str, file: str
) -> None:
    monkeypatch.setattr(streaming, "CHUNK_BYTES", 100)
    request = DownloadRequest(result_id=str(job.pk), file=file)
    whole = (await stub.DownloadResult(request, metadata=auth)).data
    pieces = await streamed(stub, request, auth)
    told = await stub.GetJobStatus(JobStatusRequest(job_id=str(job.pk)), metadata=auth)
    address = urlsplit(told.download_urls[name]).path
    fetched = await asyncio.to_thread(downloaded, address)
    assert len(whole) > 100
    if name == "xlsx":
        # It has the time in it at which it was made.
        assert [data[:4] for data in (whole, pieces, fetched)] == [b"PK\3\4"] * 3
    else:
        assert whole == pieces == fetched


@pytest.mark.parametrize("method", ["DownloadResult", "StreamResult"])
@pytest.mark.parametrize("file", ["result.pdf", "result.", "csv", "../result.csv", "result.csv\0"])
async def test_a_file_that_there_is_not_is_refused(stub: Any, auth: Metadata, job: Job, method: str, file: str) -> None:
    refusal = await refused(ask(stub, method, job, auth, file))
    assert refusal.kind == ("INVALID_ARGUMENT", "unknown_format")
    assert refusal.field == "file"
    assert "result.parquet, errors.csv" in refusal.message


async def ask(stub: Any, method: str, job: Job | str, auth: Metadata, file: str = "") -> Any:
    request = DownloadRequest(result_id=str(job.pk) if isinstance(job, Job) else job, file=file)
    call = getattr(stub, method)(request, metadata=auth, timeout=30)
    return await (all_of(call) if method == "StreamResult" else call)


@pytest.mark.parametrize("method", ["DownloadResult", "StreamResult"])
async def test_what_is_not_there_yet_is_refused(stub: Any, auth: Metadata, make_job: MakeJob, method: str) -> None:
    job = await in_thread(make_job)(DATA)
    for file in ("result.csv", "errors.csv"):
        refusal = await refused(ask(stub, method, job, auth, file))
        assert refusal.kind == ("FAILED_PRECONDITION", "no_result")


@pytest.mark.parametrize("method", ["DownloadResult", "StreamResult"])
async def test_an_import_has_no_result_but_its_rejected_rows(
    stub: Any, auth: Metadata, imported: MakeJob, method: str
) -> None:
    job = await in_thread(imported)(customers_csv(3) + b",nobody,,\n")
    refusal = await refused(ask(stub, method, job, auth))
    assert refusal.kind == ("FAILED_PRECONDITION", "no_result")
    answer = await ask(stub, method, job, auth, "errors.csv")
    data = b"".join(piece.data for piece in answer) if method == "StreamResult" else answer.data
    assert b"nobody" in data


@pytest.mark.parametrize("method", ["DownloadResult", "StreamResult"])
async def test_only_its_owner_finds_it(
    stub: Any, auth: Metadata, finished: MakeJob, stranger: User, method: str
) -> None:
    job = await in_thread(finished)(DATA, owner=stranger)
    assert (await refused(ask(stub, method, job, auth))).kind == ("NOT_FOUND", "not_found")
    for nonsense in ("nonsense", "", "a\0b", "1" * 50_000):
        refusal = await refused(ask(stub, method, nonsense, auth))
        assert (refusal.kind, refusal.field) == (("INVALID_ARGUMENT", "invalid_id"), "result_id")


@pytest.mark.parametrize("bytes_over", [0, 1])
async def test_what_is_too_large_for_a_message_is_to_be_streamed(
    stub: Any, auth: Metadata, job: Job, monkeypatch: pytest.MonkeyPatch, bytes_over: int
) -> None:
    right = Expected.of(DATA).csv
    monkeypatch.setattr(results, "MAX_WHOLE_BYTES", len(right) - bytes_over)
    if bytes_over:
        refusal = await refused(ask(stub, "DownloadResult", job, auth))
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "result_too_large")
        assert "StreamResult" in refusal.message
    else:
        assert (await ask(stub, "DownloadResult", job, auth)).data == right
    assert await streamed(stub, DownloadRequest(result_id=str(job.pk)), auth) == right


async def test_the_limit_is_what_clients_take_that_know_of_none(
    stub: Any, auth: Metadata, finished: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "x" * 4096
    lines = "".join(f"{name}{number:05},2024-01-01,1\n" for number in range(1100))
    data = HEADER.encode() + lines.encode()
    job = await in_thread(finished)(data)
    right = Expected.of(data).csv
    assert len(right) > 4 * 1024 * 1024
    assert (await refused(ask(stub, "DownloadResult", job, auth))).reason == "result_too_large"
    assert await streamed(stub, DownloadRequest(result_id=str(job.pk)), auth) == right
    # The largest that is allowed fits through a channel with the usual limit, whatever its bytes are.
    monkeypatch.setattr(results, "_read", lambda job, file: (piece for piece in [b"\xff" * results.MAX_WHOLE_BYTES]))
    assert len((await ask(stub, "DownloadResult", job, auth)).data) == results.MAX_WHOLE_BYTES


@pytest.mark.parametrize("moment", ["at once", "midway"])
async def test_who_goes_away_midway_leaves_no_file_open(
    stub: Any, auth: Metadata, job: Job, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(streaming, "CHUNK_BYTES", 1)
    opened: list[Any] = []
    open_file = FileSystemStorage.open

    def noted(*args: Any, **kwargs: Any) -> Any:
        opened.append(open_file(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(FileSystemStorage, "open", noted)
    for _ in range(5):
        call = stub.StreamResult(DownloadRequest(result_id=str(job.pk)), metadata=auth)
        if moment == "midway":
            assert [len((await call.read()).data) for _ in range(3)] == [1, 1, 1]
        call.cancel()
    gc.disable()
    try:
        async with asyncio.timeout(20):
            while not all(file.closed for file in opened):
                await asyncio.sleep(0.01)
    finally:
        gc.enable()
    assert len(opened) == 5 or moment == "at once"
