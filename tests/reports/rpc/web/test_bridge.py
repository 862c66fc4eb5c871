"""Calls of browsers through the bridge, with the real gRPC server behind it."""

import asyncio
import base64
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports import loop, watching
from reports.models import Job
from reports.rpc import service
from reports.rpc.stubs import sales_pb2 as sales
from reports.rpc.threads import in_thread
from reports.rpc.web import target
from reports.rpc.web.bridge import Bridge
from tests.files import sales_csv
from tests.reports.rpc.web.conftest import SALES, Exchange, framed
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., Any]
DATA = sales_csv(3000, bad_every=100)
TEXT = "application/grpc-web-text+proto"
HEALTH = "/grpc.health.v1.Health/Check"
NOBODY = "123e4567-e89b-12d3-a456-426614174000"


@pytest.fixture(autouse=True)
async def _on_this_loop() -> None:
    loop.use(asyncio.get_running_loop())


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the bridge makes its folder."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


async def test_a_file_has_its_result_in_the_answer(ask: Ask, bearer: str, worker: None) -> None:
    request = sales.UploadRequest(data=DATA, filename="sales.csv")
    answer = await ask(f"{SALES}/UploadCSV", request, authorization=bearer)
    assert (answer.status, answer.code) == (200, 0)
    assert answer.headers["content-type"] == "application/grpc-web+proto"
    result = sales.UploadResponse.FromString(answer.messages[0])
    job = await in_thread(Job.objects.get, pk=result.result_id)
    assert (result.rows, result.bad_rows, result.total) == (3000, 30, job.total)
    assert answer.headers["salesagg-job-id"] == result.result_id


async def test_the_id_of_the_job_is_told_before_there_is_a_result(bridge: Bridge, bearer: str) -> None:
    exchange = Exchange(bridge, f"{SALES}/UploadCSV", authorization=bearer)
    await exchange.send(framed(sales.UploadRequest(data=DATA)))
    begun = await exchange.next()
    job = await in_thread(Job.objects.get)
    assert dict(begun["headers"])[b"salesagg-job-id"] == str(job.pk).encode()
    # With this they leave the server.
    assert await exchange.next() == {"type": "http.response.body", "body": b"", "more_body": True}
    await exchange.leave()
    await exchange.done()


async def test_it_does_in_text_mode_too_in_as_many_pieces_of_base64_as_the_client_likes(
    ask: Ask, bearer: str, worker: None
) -> None:
    body = b"".join(
        framed(sales.UploadRequest(data=DATA[start : start + 10_000])) for start in range(0, len(DATA), 10_000)
    )
    text = b"".join(base64.b64encode(body[start : start + 7001]) for start in range(0, len(body), 7001))
    answer = await ask(f"{SALES}/UploadCSV", text, authorization=bearer, content_type=TEXT)
    assert answer.headers["content-type"] == TEXT
    assert answer.code == 0
    assert sales.UploadResponse.FromString(answer.messages[0]).rows == 3000


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("application/grpc-web-text", TEXT), ("application/grpc-web", "application/grpc-web+proto"), ("*/*", None)],
)
@pytest.mark.parametrize("sent", ["application/grpc-web", "application/grpc-web-text"])
async def test_the_answer_has_the_mode_that_is_accepted(ask: Ask, sent: str, accept: str, kind: str | None) -> None:
    body = base64.b64encode(framed(b"")) if "text" in sent else framed(b"")
    answer = await ask(HEALTH, body, content_type=sent, accept=accept)
    assert answer.headers["content-type"] == (kind or f"{sent}+proto")
    assert (answer.code, answer.messages) == (0, [b"\x08\x01"])


async def test_a_stream_comes_message_by_message_and_may_be_quiet(
    bridge: Bridge, bearer: str, make_upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.3, raising=True)
    upload = await in_thread(make_upload, DATA, chunk=20_000, whole=False)
    job = await in_thread(upload.jobs.get)
    exchange = Exchange(bridge, f"{SALES}/WatchJob", authorization=bearer, content_type=TEXT)
    await exchange.send(base64.b64encode(framed(sales.WatchJobRequest(job_id=str(job.pk)))))
    assert (await exchange.next())["status"] == 200
    assert (await exchange.next())["body"] == b""
    for _ in range(3):
        event = await exchange.next()
        assert event["more_body"]
        told = sales.JobStatus.FromString(base64.b64decode(event["body"], validate=True)[5:])
        assert told.state == "uploading"
    await exchange.leave()
    await exchange.done()


async def test_a_browser_that_leaves_ends_the_call(
    bridge: Bridge, bearer: str, make_upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()
    watch = service.SalesService.WatchJob

    async def watched(*args: Any) -> Any:
        try:
            async for each in watch(*args):
                yield each
        finally:
            ended.set()

    monkeypatch.setattr(service.SalesService, "WatchJob", watched)
    job = await in_thread(lambda: make_upload(DATA, chunk=20_000, whole=False).jobs.get())
    exchange = Exchange(bridge, f"{SALES}/WatchJob", authorization=bearer)
    await exchange.send(framed(sales.WatchJobRequest(job_id=str(job.pk))))
    await exchange.next()
    await exchange.next()
    assert not ended.is_set()
    await exchange.leave()
    await exchange.done()
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_browser_that_leaves_before_all_has_come_called_nothing(bridge: Bridge, bearer: str) -> None:
    exchange = Exchange(bridge, f"{SALES}/UploadCSV", authorization=bearer)
    await exchange.send(framed(sales.UploadRequest(data=DATA)), last=False)
    await exchange.leave()
    await exchange.done()
    assert await in_thread(Upload.objects.count) == 0


async def test_a_refusal_of_a_method_has_its_details_in_the_last_frame(ask: Ask, bearer: str) -> None:
    answer = await ask(f"{SALES}/GetJobStatus", sales.JobStatusRequest(job_id="no id"), authorization=bearer)
    assert (answer.status, answer.code, answer.reason, answer.messages) == (200, 3, "invalid_id", [])
    assert answer.text.startswith("This is not the id of a job")


async def test_nobody_calls_without_a_token_whatever_cookie_comes_along(ask: Ask, ann: Any, settings: Any) -> None:
    settings.GRPC_ANONYMOUS_USER = "ann@example.org"
    request = sales.JobStatusRequest(job_id=NOBODY)
    cookie = f"sessionid={ann.cookies['sessionid'].value}"
    answer = await ask(f"{SALES}/GetJobStatus", request, cookie=cookie)
    assert (answer.code, answer.reason) == (16, "unauthorized")


async def test_a_wrong_token_is_refused(ask: Ask, db: None) -> None:
    answer = await ask(f"{SALES}/GetJobStatus", sales.JobStatusRequest(job_id=NOBODY), authorization="Bearer no")
    assert (answer.code, answer.reason) == (16, "unauthorized")


async def test_somebody_elses_job_is_none(ask: Ask, bearer: str, stranger: Any, make_upload: Any) -> None:
    job = await in_thread(lambda: make_upload(DATA, owner=stranger).jobs.get())
    answer = await ask(f"{SALES}/GetJobStatus", sales.JobStatusRequest(job_id=str(job.pk)), authorization=bearer)
    assert (answer.code, answer.reason) == (5, "not_found")


async def test_a_call_that_takes_too_long_is_ended(ask: Ask, bearer: str, make_upload: Callable[..., Upload]) -> None:
    job = await in_thread(lambda: make_upload(DATA, chunk=20_000, whole=False).jobs.get())
    request = sales.WatchJobRequest(job_id=str(job.pk))
    answer = await ask(f"{SALES}/WatchJob", request, authorization=bearer, grpc_timeout="700m")
    assert answer.code == 4
    assert answer.messages


@pytest.mark.parametrize("value", ["99999999H", "5S"])
async def test_one_that_may_take_long_is_not(ask: Ask, value: str) -> None:
    assert (await ask(HEALTH, framed(b""), grpc_timeout=value)).code == 0


@pytest.mark.parametrize(
    ("body", "headers", "code", "reason"),
    [
        (b"", {}, 3, "malformed_call"),
        (b"\0\0\0", {}, 3, "malformed_call"),
        (b"%PDF-1.7 and so on", {}, 3, "malformed_call"),
        (framed(b"zipped", flags=1), {}, 12, "message_compressed"),
        (b"not base64!", {"content_type": TEXT}, 3, "malformed_call"),
        (framed(b""), {"grpc_timeout": "soon"}, 3, "malformed_call"),
        (framed(b""), {"trace-bin": "?"}, 3, "malformed_call"),
    ],
)
@pytest.mark.parametrize("method", ["UploadCSV", "GetJobStatus", "WatchJob"])
async def test_what_is_no_call_is_refused_with_a_status_of_grpc(
    ask: Ask, bearer: str, method: str, body: bytes, headers: dict[str, str], code: int, reason: str
) -> None:
    answer = await ask(f"{SALES}/{method}", body, authorization=bearer, **headers)
    assert (answer.status, answer.code, answer.reason) == (200, code, reason)
    assert await in_thread(Upload.objects.count) == 0


async def test_a_body_that_is_too_large_is_refused_before_it_has_come(
    bridge: Bridge, bearer: str, settings: Any, db: None
) -> None:
    settings.MAX_BODY_BYTES = 1000
    exchange = Exchange(bridge, f"{SALES}/UploadCSV", authorization=bearer)
    for _ in range(3):
        await exchange.send(b"\0" * 400, last=False)
    answer = await exchange.answer()
    assert (answer.code, answer.reason) == (8, "body_too_large")


async def test_a_message_that_is_none_of_ours_is_refused(ask: Ask, bearer: str) -> None:
    answer = await ask(f"{SALES}/GetJobStatus", framed(b"\xff\xff\xff"), authorization=bearer)
    assert answer.code != 0


async def test_a_method_that_is_none_is_unimplemented(ask: Ask, bearer: str, db: None) -> None:
    assert (await ask(f"{SALES}/Nothing", framed(b""), authorization=bearer)).code == 12


@pytest.mark.parametrize("method", ["UploadCSV", "GetJobStatus", "WatchJob", "Nothing"])
@pytest.mark.parametrize("authorization", ["", "Bearer wrong"])
async def test_caller_without_token_is_refused_before_the_body(
    bridge: Bridge, db: None, method: str, authorization: str
) -> None:
    exchange = Exchange(bridge, f"{SALES}/{method}", authorization=authorization)
    # No byte of the body has come.
    answer = await exchange.answer()
    assert (answer.code, answer.reason) == (16, "unauthorized")


@pytest.mark.parametrize("path", [f"{SALES}/GetJobStatus", HEALTH])
async def test_request_without_a_file_is_small(bridge: Bridge, bearer: str, path: str) -> None:
    exchange = Exchange(bridge, path, authorization=bearer)
    await exchange.send(b"\0" * 70_000, last=False)
    answer = await exchange.answer()
    assert (answer.code, answer.reason) == (8, "body_too_large")


async def test_calls_of_one_address_are_counted(ask: Ask, bearer: str, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 3
    answers = [await ask(HEALTH, framed(b"")) for _ in range(4)]
    assert [answer.code for answer in answers] == [0, 0, 0, 8]
    assert answers[3].reason == "too_many_requests"


async def test_a_fault_of_ours_is_told_without_its_text(
    ask: Ask, db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(address: str) -> None:
        raise OSError("no room for /secret")

    monkeypatch.setattr(target, "Server", fail)
    answer = await ask(HEALTH, framed(b""))
    assert (answer.status, answer.code, answer.reason) == (200, 13, "internal")
    assert "secret" not in answer.text
    assert "secret" in caplog.text
    monkeypatch.undo()
    assert (await ask(HEALTH, framed(b""))).code == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_it_takes_post_alone(ask: Ask, method: str) -> None:
    answer = await ask(f"{SALES}/UploadCSV", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/grpc", "application/grpc-web+json", "application/grpc-webby", "application/json"],
)
async def test_another_kind_of_content_is_not_for_it(ask: Ask, kind: str) -> None:
    assert (await ask(f"{SALES}/UploadCSV", framed(b""), content_type=kind)).status == 415


async def test_the_site_answers_to_its_own_names_alone(ask: Ask) -> None:
    assert (await ask(f"{SALES}/UploadCSV", framed(b""), host="evil.example.com")).status == 400


async def test_where_https_is_asked_for_nothing_is_answered_without(ask: Ask, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = await ask(HEALTH, framed(b""))
    assert (answer.status, answer.headers["location"]) == (301, f"https://localhost:8000{HEALTH}")


async def test_answers_have_the_headers_that_django_adds_for_safety(ask: Ask, db: None) -> None:
    for answer in (await ask(HEALTH, framed(b"")), await ask(HEALTH, method="GET")):
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/", "/api/jobs", "/sales.v1.SalesService", "/sales.v1.SalesService/", "/sales.v2.SalesService/UploadCSV"]
)
async def test_all_else_is_for_the_application_behind(ask: Ask, path: str) -> None:
    assert (await ask(path)).status == 418


async def test_a_service_may_have_further_names(ask: Ask, bearer: str, settings: Any, db: None) -> None:
    settings.GRPC_SERVICE_ALIASES = ["csv.Uploader"]
    assert (await ask("/csv.Uploader/Nothing", framed(b""), authorization=bearer)).code == 12


async def test_two_that_come_first_share_one_server_which_nobody_else_can_reach(
    bridge: Bridge, ask: Ask, db: None, folders: Path
) -> None:
    answers = await asyncio.gather(*(ask(HEALTH, framed(b"")) for _ in range(5)))
    assert [answer.code for answer in answers] == [0] * 5
    (folder,) = folders.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_ISSOCK((folder / "rpc").stat().st_mode)


async def test_nothing_is_left_at_the_end(
    bridge: Bridge, ask: Ask, bearer: str, folders: Path, make_upload: Any
) -> None:
    job = await in_thread(lambda: make_upload(DATA, chunk=20_000, whole=False).jobs.get())
    exchange = Exchange(bridge, f"{SALES}/WatchJob", authorization=bearer)
    await exchange.send(framed(sales.WatchJobRequest(job_id=str(job.pk))))
    await exchange.next()
    began = asyncio.get_running_loop().time()
    await bridge.close()
    assert asyncio.get_running_loop().time() - began < target.STOP_SECONDS + 0.5
    assert os.listdir(folders) == []  # noqa: PTH208
    await exchange.done()
    await bridge.close()
