"""Clients of the older systems, which know only their own messages, work here unchanged."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from django.test import AsyncClient

from reports.models import Job
from reports.rpc.server import Server
from tests.files import sales_csv
from tests.reports.rpc import older
from tests.reports.rpc.calling import Expected, Metadata, Refused, refused
from tests.reports.rpc.conftest import in_thread

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(3000, bad_every=70)
RIGHT = Expected.of(DATA)
SERVICE = "/sales.v1.SalesService/"
of_old = older.messages()


def method(channel: Any, name: str, request: str, answer: str, *, streams: bool = False) -> Any:
    make: Callable[..., Any] = channel.stream_unary if streams else channel.unary_unary
    return make(
        SERVICE + name,
        request_serializer=of_old[request].SerializeToString,
        response_deserializer=of_old[answer].FromString,
    )


def chunks(size: int = 1000, *, eof: str = "") -> Iterator[Any]:
    """The file in the older system's chunks, with `eof` set on the last one, or on one more that has no data."""
    chunk = of_old["UploadChunk"]
    for start in range(0, len(DATA), size):
        last = start + size >= len(DATA)
        name = "sales.csv" if start == 0 else ""
        yield chunk(data=DATA[start : start + size], filename=name, eof=last and eof == "with the last")
    if eof == "alone":
        yield chunk(eof=True)


async def check(channel: Any, auth: Metadata, answer: Any) -> None:
    """That the answer is right, and the result can be had in both ways."""
    RIGHT.check(answer)
    request = of_old["DownloadRequest"](result_id=answer.result_id)
    download = method(channel, "DownloadResult", "DownloadRequest", "DownloadResponse")
    assert (await download(request, metadata=auth)).data == RIGHT.csv
    address = urlsplit(answer.download_url)
    response = await AsyncClient().get(address.path)
    assert b"".join([piece async for piece in response.streaming_content]) == RIGHT.csv  # type: ignore[attr-defined]


async def test_the_unary_client(channel: Any, auth: Metadata, worker: None) -> None:
    upload = method(channel, "UploadCSV", "UploadRequest", "UploadResponse")
    request = of_old["UploadRequest"](data=DATA, filename="sales.csv")
    await check(channel, auth, await upload(request, metadata=auth, timeout=60))


async def test_the_unary_client_that_blocks(server: Server, auth: Metadata, worker: None) -> None:
    """As it was written: for threads."""

    def call() -> tuple[Any, Refused]:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            upload = method(channel, "UploadCSV", "UploadRequest", "UploadResponse")
            answer = upload(of_old["UploadRequest"](data=DATA, filename="sales.csv"), metadata=auth, timeout=60)
            download = method(channel, "DownloadResult", "DownloadRequest", "DownloadResponse")
            try:
                download(of_old["DownloadRequest"](result_id="nonsense"), metadata=auth)
            except grpc.RpcError as error:
                return answer, Refused.read(error)
        raise AssertionError

    answer, refusal = await asyncio.to_thread(call)
    RIGHT.check(answer)
    assert refusal.kind == ("INVALID_ARGUMENT", "invalid_id")
    assert refusal.field == "result_id"


@pytest.mark.parametrize("eof", ["", "with the last", "alone"])
async def test_the_streaming_client(channel: Any, auth: Metadata, worker: None, eof: str) -> None:
    upload = method(channel, "UploadCSV", "UploadChunk", "UploadResponse", streams=True)
    await check(channel, auth, await upload(chunks(eof=eof), metadata=auth, timeout=60))


async def test_a_client_that_says_eof_and_never_ends_its_stream(channel: Any, auth: Metadata, worker: None) -> None:
    call = method(channel, "UploadCSV", "UploadChunk", "UploadResponse", streams=True)(metadata=auth, timeout=60)
    for chunk in chunks(50_000, eof="with the last"):
        await call.write(chunk)
    await check(channel, auth, await call)


async def test_data_after_the_end_is_refused_at_once(channel: Any, auth: Metadata) -> None:
    call = method(channel, "UploadCSV", "UploadChunk", "UploadResponse", streams=True)(metadata=auth, timeout=60)
    for chunk in chunks(50_000, eof="alone"):
        await call.write(chunk)
    # Again the end, which says nothing new.
    await call.write(of_old["UploadChunk"](eof=True))
    await call.write(of_old["UploadChunk"](data=b"Toys,2024-01-01,1\n"))
    # Nobody works on the job, and the stream stays open.
    refusal = await refused(call)
    assert refusal.kind == ("INVALID_ARGUMENT", "data_after_eof")
    assert refusal.field == "data"
    assert (await in_thread(Job.objects.get)()).status == "pending"


async def test_the_status_of_a_job_is_had_by_its_id(channel: Any, auth: Metadata, worker: None) -> None:
    upload = method(channel, "UploadCSV", "UploadRequest", "UploadResponse")
    answer = await upload(of_old["UploadRequest"](data=DATA), metadata=auth, timeout=60)
    status = channel.unary_unary(
        SERVICE + "GetJobStatus", request_serializer=of_old["JobStatusRequest"].SerializeToString
    )
    assert answer.result_id.encode() in await status(of_old["JobStatusRequest"](job_id=answer.result_id), metadata=auth)


async def test_addresses_begin_with_that_of_the_site(channel: Any, auth: Metadata, worker: None, settings: Any) -> None:
    settings.SITE_URL = "https://sales.example.org"
    upload = method(channel, "UploadCSV", "UploadRequest", "UploadResponse")
    answer = await upload(of_old["UploadRequest"](data=DATA), metadata=auth, timeout=60)
    assert answer.download_url.startswith("https://sales.example.org/api/downloads/")
    assert answer.download_url.endswith("/result.csv")
    assert await in_thread(Job.objects.count)() == 1
