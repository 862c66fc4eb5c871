"""What goes wrong is told with the right code, and nothing of ours is told with it."""

import asyncio
import logging
from typing import Any

import grpc
import pytest
from django.db import InterfaceError, OperationalError
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from accounts.errors import Refusal
from reports import lifecycle
from reports.models import Job
from reports.rpc import errors, messages, results
from reports.rpc.server import Server
from reports.rpc.stubs.sales_pb2 import (
    DownloadRequest,
    JobStatusRequest,
    UploadRequest,
    WatchJobRequest,
)
from reports.rpc.stubs.sales_pb2_grpc import SalesServiceStub
from tests.files import sales_csv
from tests.reports.rpc.calling import Expected, Metadata, all_of, cut, nothing_left, refused
from tests.reports.rpc.conftest import in_thread
from tests.reports.rpc.test_callers import METHODS
from tests.reports.rpc.test_upload import gone
from uploads import lifecycle as uploads

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(500)
SERVICE = "/sales.v1.SalesService/"
SECRET = "password=hunter2"
# A string that is no UTF-8; a field's number without its value; the field's length is more than what follows.
GARBAGE = [b"\x0a\x02\xff\xff\x12\x02\xff\xff", b"\x0a", b"\xff" * 1000, b"\x0a\xff\x01abc"]


def raw(channel: Any, method: Any) -> Any:
    """The method, called with bytes."""
    kinds = {
        (False, False): channel.unary_unary,
        (True, False): channel.stream_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }
    return kinds[method.client_streaming, method.server_streaming](SERVICE + method.name)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_garbage_is_refused_as_such(
    channel: Any, stub: Any, auth: Metadata, worker: None, caplog: pytest.LogCaptureFixture, method: Any
) -> None:
    for garbage in GARBAGE:
        call = raw(channel, method)(iter([garbage]) if method.client_streaming else garbage, metadata=auth, timeout=20)
        refusal = await refused(all_of(call) if method.server_streaming else call)
        assert refusal.kind == ("INVALID_ARGUMENT", "bad_message")
        assert "sales.proto" in refusal.message
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    # The server goes on.
    Expected.of(DATA).check(await stub.UploadCSV(cut(DATA), metadata=auth, timeout=60))


async def test_garbage_in_the_middle_of_a_file_takes_it_back(channel: Any, auth: Metadata, files: Any) -> None:
    stream = [UploadRequest(data=DATA[:1000]).SerializeToString(), GARBAGE[0]]
    refusal = await refused(channel.stream_unary(SERVICE + "UploadCSV")(iter(stream), metadata=auth, timeout=20))
    assert refusal.kind == ("INVALID_ARGUMENT", "bad_message")
    await gone(files)
    assert (await in_thread(Job.objects.get)()).status == "cancelled"


async def test_garbage_is_not_looked_at_of_who_may_not_call(channel: Any) -> None:
    refusal = await refused(channel.unary_unary(SERVICE + "GetJobStatus")(GARBAGE[0]))
    assert refusal.reason == "unauthorized"


async def test_a_method_that_there_is_not(channel: Any, auth: Metadata) -> None:
    for path in (SERVICE + "Nonsense", "/nonsense.Service/UploadCSV", "/nonsense"):
        refusal = await refused(channel.unary_unary(path)(b"", metadata=auth))
        assert refusal.code is grpc.StatusCode.UNIMPLEMENTED


FAILURES = [
    (RuntimeError(SECRET), ("INTERNAL", "internal"), "Something went wrong on our side"),
    (KeyError(SECRET), ("INTERNAL", "internal"), "Something went wrong on our side"),
    (OperationalError(SECRET), ("UNAVAILABLE", "unavailable"), "A service behind us is away"),
    (InterfaceError(SECRET), ("UNAVAILABLE", "unavailable"), "A service behind us is away"),
]


@pytest.mark.parametrize(("error", "kind", "message"), FAILURES, ids=lambda value: type(value).__name__)
class TestFailures:
    """What we did not expect is logged for us, and told without its text."""

    @pytest.fixture
    def fail(self, error: Exception) -> Any:
        def failing(*args: Any, **kwargs: Any) -> Any:
            raise error

        return failing

    async def check(
        self, call: Any, kind: tuple[str, str], message: str, error: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        refusal = await refused(call)
        assert refusal.kind == kind
        assert refusal.message.startswith(message)
        [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert record.name == "reports.rpc.errors"
        assert record.exc_info is not None
        assert record.exc_info[1] is error

    async def test_of_a_method(
        self,
        stub: Any,
        auth: Metadata,
        error: Exception,
        kind: tuple[str, str],
        message: str,
        fail: Any,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(messages, "load_owned", fail)
        request = JobStatusRequest(job_id="123e4567-e89b-12d3-a456-426614174000")
        await self.check(stub.GetJobStatus(request, metadata=auth), kind, message, error, caplog)

    async def test_of_one_that_streams(
        self,
        stub: Any,
        auth: Metadata,
        error: Exception,
        kind: tuple[str, str],
        message: str,
        fail: Any,
        finished: Any,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        job = await in_thread(finished)(DATA)

        def broken(*args: Any) -> Any:
            yield b"some of it"
            fail()

        monkeypatch.setattr(results, "_read", broken)
        call = stub.StreamResult(DownloadRequest(result_id=str(job.pk)), metadata=auth)
        assert (await call.read()).data == b"some of it"
        await self.check(all_of(call), kind, message, error, caplog)

    async def test_of_an_upload_of_which_nothing_is_left(
        self,
        stub: Any,
        auth: Metadata,
        error: Exception,
        kind: tuple[str, str],
        message: str,
        fail: Any,
        files: Any,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(uploads, "tell_length", fail)
        await self.check(stub.UploadCSV(cut(DATA), metadata=auth), kind, message, error, caplog)
        await in_thread(nothing_left)(files)

    async def test_of_the_guard(
        self,
        stub: Any,
        error: Exception,
        kind: tuple[str, str],
        message: str,
        auth: Metadata,
        fail: Any,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr("accounts.credentials.from_header", fail)
        await self.check(stub.UploadCSV(cut(DATA), metadata=auth), kind, message, error, caplog)


async def test_another_program_reads_the_details_by_googles_model(server: Server, token: str) -> None:
    """With a client that blocks, as most programs have it."""

    def call() -> Any:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stub = SalesServiceStub(channel)  # type: ignore[no-untyped-call]
            try:
                stub.GetJobStatus(JobStatusRequest(job_id="nonsense"), metadata=(("authorization", f"Bearer {token}"),))
            except grpc.RpcError as error:
                return rpc_status.from_call(error)  # type: ignore[arg-type]

    status = await asyncio.to_thread(call)
    info, bad = ErrorInfo(), BadRequest()
    assert [status.details[0].Unpack(info), status.details[1].Unpack(bad)] == [True, True]
    assert (status.code, info.reason, info.domain) == (Code.INVALID_ARGUMENT, "invalid_id", "salesagg")
    assert status.message == bad.field_violations[0].description
    assert bad.field_violations[0].field == "job_id"


async def test_a_deadline_that_is_shorter_than_the_work(stub: Any, auth: Metadata, make_job: Any) -> None:
    job = await in_thread(make_job)(DATA)
    call = stub.WatchJob(WatchJobRequest(job_id=str(job.pk)), metadata=auth, timeout=0.5)
    assert (await refused(all_of(call))).code is grpc.StatusCode.DEADLINE_EXCEEDED
    await in_thread(lifecycle.cancel)(job)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Code.INVALID_ARGUMENT),
        (401, Code.UNAUTHENTICATED),
        (403, Code.PERMISSION_DENIED),
        (404, Code.NOT_FOUND),
        (409, Code.FAILED_PRECONDITION),
        (410, Code.FAILED_PRECONDITION),
        (413, Code.RESOURCE_EXHAUSTED),
        (422, Code.INVALID_ARGUMENT),
        (429, Code.RESOURCE_EXHAUSTED),
        (500, Code.INTERNAL),
        (503, Code.UNAVAILABLE),
        (507, Code.RESOURCE_EXHAUSTED),
        (418, Code.UNKNOWN),
    ],
)
def test_every_refusal_has_a_code(status: int, code: int) -> None:
    told = errors.status_of(Refusal("a_code", "A sentence.", status=status))
    assert (told.code, told.message) == (code, "A sentence.")


async def test_a_sentence_with_a_clients_own_words_in_it_arrives_as_it_is(
    channel: Any, stub: Any, auth: Metadata
) -> None:
    """Sentences are in a header, where not every character may be; names that clients send are in some of them."""
    refusal = await refused(
        stub.UploadCSV(
            iter([UploadRequest(options={"columns": {"rôle\n\r\t“€”\x01": "x"}})]), metadata=auth, timeout=20
        )
    )
    assert refusal.kind == ("INVALID_ARGUMENT", "bad_options")
    assert "rôle\n\r\t“€”\x01" in refusal.message


async def test_a_sentence_that_is_too_long_for_a_header_is_cut(stub: Any, auth: Metadata) -> None:
    long = "€" * 50_000
    message = UploadRequest(options={"columns": {long: "x"}})
    refusal = await refused(stub.UploadCSV(iter([message]), metadata=auth, timeout=20))
    assert refusal.kind == ("INVALID_ARGUMENT", "bad_options")
    assert refusal.field == "options"
    assert refusal.message.startswith("There is no column “€€€")
    assert refusal.message.endswith("€…")
