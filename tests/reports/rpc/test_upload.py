"""UploadCSV: a file in messages becomes the same upload, job and result as any other."""

import asyncio
import errno
import gzip
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from django.core.files.storage import FileSystemStorage

from accounts.models import User
from reports import lifecycle, runner
from reports.models import Customer, Job
from reports.rpc import receiving
from reports.rpc.stubs.sales_pb2 import JobStatusRequest, UploadOptions, UploadRequest
from tests.conftest import MakeUpload
from tests.files import HEADER, customers_csv, sales_csv
from tests.reports.rpc.calling import Expected, Metadata, cut, nothing_left, refused
from tests.reports.rpc.conftest import in_thread
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(5000, bad_every=100)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "PART_BYTES", 4000)


async def the_job() -> Job:
    job: Job = await in_thread(Job.objects.select_related("upload").get)()
    return job


@pytest.mark.parametrize("size", [1, 7, 1000, 30_000, len(DATA)])
async def test_the_answer_is_the_result_however_the_file_is_cut(
    stub: Any, auth: Metadata, worker: None, small_parts: None, size: int
) -> None:
    data = DATA[: 10_000 * size] if size < 1000 else DATA
    answer = await stub.UploadCSV(cut(data, size), metadata=auth, timeout=60)
    Expected.of(data).check(answer)
    job = await the_job()
    assert (answer.result_id, answer.total) == (str(job.pk), job.total)
    assert answer.total == Expected.of(data).total
    assert (job.kind, job.options, job.upload.filename, job.upload.length) == ("sales", {}, "sales.csv", len(data))


async def test_parts_are_stored_while_the_file_comes(
    stub: Any, auth: Metadata, worker: None, small_parts: None
) -> None:
    await stub.UploadCSV(cut(DATA, 700), metadata=auth, timeout=60)
    parts = [part async for part in (await the_job()).upload.parts.order_by("offset")]
    assert {part.size for part in parts[:-1]} == {4200}
    assert sum(part.size for part in parts) == len(DATA)


async def test_the_id_of_the_job_comes_before_the_file_has(stub: Any, auth: Metadata, worker: None) -> None:
    call = stub.UploadCSV(metadata=auth, timeout=60)
    await call.write(UploadRequest(data=DATA[:100]))
    told = dict(await call.initial_metadata())
    job = await the_job()
    assert told["salesagg-job-id"] == str(job.pk)
    assert (job.status, job.upload.state) == ("pending", "receiving")
    await call.write(UploadRequest(data=DATA[100:]))
    await call.done_writing()
    assert (await call).result_id == str(job.pk)


async def test_messages_without_data_add_nothing(stub: Any, auth: Metadata, worker: None) -> None:
    def messages() -> Iterator[UploadRequest]:
        for message in cut(DATA, 10_000):
            yield UploadRequest(filename="sales.csv")
            for _ in range(100):
                yield UploadRequest()
            yield message

    Expected.of(DATA).check(await stub.UploadCSV(messages(), metadata=auth, timeout=60))


async def test_a_packed_file_is_unpacked(stub: Any, auth: Metadata, worker: None) -> None:
    packed = gzip.compress(DATA)
    answer = await stub.UploadCSV(cut(packed, filename="sales.csv.gz"), metadata=auth, timeout=60)
    Expected.of(DATA).check(answer)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("C:\\sales\\May 2024.csv", "May 2024.csv"),
        ("../../etc/passwd", "passwd"),
        ("Umsätze\0\n.csv", "Umsätze.csv"),
        ("", "unnamed.csv"),
        ("a" * 100_000, "a" * 255),
        ("€" * 5000, "€" * 255),
    ],
)
async def test_any_name_will_do(stub: Any, auth: Metadata, worker: None, given: str, shown: str) -> None:
    await stub.UploadCSV(cut(DATA, filename=given), metadata=auth, timeout=60)
    assert (await the_job()).upload.filename == shown


async def test_amounts_are_summed_exactly(stub: Any, auth: Metadata, worker: None) -> None:
    data = HEADER.encode() + b"Toys,2024-01-01,0.10\nToys,2024-01-01,0.20\nBooks,2024-01-01,-1.5\nBooks,2024-01-02,x\n"
    options = UploadOptions(amounts=True)
    answer = await stub.UploadCSV(cut(data, options=options), metadata=auth, timeout=60)
    Expected.of(data, amounts=True).check(answer)
    assert answer.total == "-1.20"


async def test_columns_are_those_that_were_chosen(stub: Any, auth: Metadata, worker: None) -> None:
    data = b"a,b,c\nToys,3,x\nBooks,4,y\n"
    options = UploadOptions(columns={"department": "a", "sales": "b", "date": ""})
    answer = await stub.UploadCSV(cut(data, options=options), metadata=auth, timeout=60)
    assert (answer.rows, answer.bad_rows, answer.departments, answer.total) == (2, 0, 2, "7")


async def test_customers_are_imported_by_columns_that_were_chosen(
    stub: Any, auth: Metadata, worker: None, user: User
) -> None:
    data = customers_csv(50).replace(b"name,email", b"wer,wohin", 1) + b",nobody,,\n"
    options = UploadOptions(kind="customers", columns={"name": "wer", "email": "wohin"})
    answer = await stub.UploadCSV(cut(data, options=options), metadata=auth, timeout=60)
    assert (answer.rows, answer.bad_rows, answer.departments) == (51, 1, 0)
    assert (answer.download_url, answer.total) == ("", "")
    assert answer.errors_url
    assert await in_thread(Customer.objects.filter(owner=user, email="person.7@example.org").exists)()


@pytest.mark.parametrize(
    "options",
    [
        UploadOptions(kind="nonsense"),
        UploadOptions(kind="sal\0es"),
        UploadOptions(kind="customers", amounts=True),
        UploadOptions(columns={"nonsense": "a"}),
        UploadOptions(columns={"department": ""}),
        UploadOptions(columns={"department": "a\0"}),
        UploadOptions(columns={"department": "a", "sales": "A "}),
        UploadOptions(columns={"department": "a" * 1001}),
        UploadOptions(columns={"department": "a€" * 500, "sales": "b€" * 500, "date": "c€" * 500}),
    ],
    ids=lambda options: str(options)[:40],
)
async def test_options_that_make_no_sense_are_refused(stub: Any, auth: Metadata, options: UploadOptions) -> None:
    refusal = await refused(stub.UploadCSV(cut(DATA, options=options), metadata=auth))
    assert refusal.kind == ("INVALID_ARGUMENT", "bad_options")
    assert refusal.field == "options"
    assert not await in_thread(Job.objects.exists)()


async def test_a_stream_without_a_message_is_refused(stub: Any, auth: Metadata) -> None:
    refusal = await refused(stub.UploadCSV(iter(()), metadata=auth))
    assert refusal.kind == ("INVALID_ARGUMENT", "empty_stream")
    assert refusal.field == "data"
    assert not await in_thread(Job.objects.exists)()


async def test_an_empty_file_fails_as_such_files_do(stub: Any, auth: Metadata, worker: None) -> None:
    refusal = await refused(stub.UploadCSV(iter([UploadRequest(filename="a.csv")]), metadata=auth, timeout=60))
    assert refusal.kind == ("INVALID_ARGUMENT", "empty_file")
    assert refusal.field == "data"
    assert "Export it again" in refusal.message
    assert (await the_job()).error_code == "empty_file"


async def test_a_file_that_cannot_be_read_is_refused_and_says_what_to_do(
    stub: Any, auth: Metadata, worker: None
) -> None:
    refusal = await refused(stub.UploadCSV(cut(b"a,b\n1,2\n"), metadata=auth, timeout=60))
    assert refusal.kind == ("INVALID_ARGUMENT", "missing_columns")
    assert "say which column is which" in refusal.message


async def test_a_file_that_fails_early_is_not_taken_to_its_end(
    stub: Any, auth: Metadata, small_parts: None, settings: Any, files: Path
) -> None:
    settings.WINDOW_BYTES = 1000
    call = stub.UploadCSV(metadata=auth, timeout=60)
    await call.write(UploadRequest(data=b"a,b\n" * 1500))
    async with asyncio.timeout(20):
        while not await in_thread(Job.objects.filter(status="failed").exists)():
            await in_thread(runner.run_all)()
    refusal = await refused(_write_on(call))
    assert refusal.kind == ("INVALID_ARGUMENT", "missing_columns")
    assert (await the_job()).error_code == "missing_columns"
    await in_thread(nothing_left)(files)


async def test_the_addresses_are_those_that_the_job_tells(stub: Any, auth: Metadata, worker: None) -> None:
    answer = await stub.UploadCSV(cut(DATA), metadata=auth, timeout=60)
    told = await stub.GetJobStatus(JobStatusRequest(job_id=answer.result_id), metadata=auth)
    assert (answer.download_url, answer.errors_url) == (told.download_urls["csv"], told.download_urls["errors"])


async def _write_on(call: Any) -> None:
    """More of the file. One message: a client of grpc.aio that is still writing may miss how its call has ended."""
    await call.write(UploadRequest(data=b"x" * 5000))
    await call


async def test_a_message_that_is_too_large_is_refused(
    settings: Any, make_stub: Any, auth: Metadata, files: Path
) -> None:
    settings.MAX_BODY_BYTES = 10_000
    stub = await make_stub()
    messages = [UploadRequest(data=DATA[:100]), UploadRequest(data=DATA[:20_000])]
    refusal = await refused(stub.UploadCSV(iter(messages), metadata=auth))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    await gone(files)


async def gone(files: Path) -> None:
    """Wait until what a call has begun is taken back."""
    async with asyncio.timeout(20):
        while True:
            try:
                await in_thread(nothing_left)(files)
            except AssertionError:
                await asyncio.sleep(0.02)
            else:
                return


@pytest.mark.parametrize(
    ("limits", "code"), [({"MAX_UPLOAD_BYTES": 5000}, "too_large"), ({"QUOTA_BYTES": 5000}, "quota_exceeded")]
)
async def test_too_much_is_refused_at_once(
    stub: Any, auth: Metadata, settings: Any, small_parts: None, files: Path, limits: dict[str, int], code: str
) -> None:
    for name, value in limits.items():
        setattr(settings, name, value)
    call = stub.UploadCSV(metadata=auth, timeout=60)
    for start in range(0, 10_000, 1000):
        await call.write(UploadRequest(data=DATA[start : start + 1000]))
    # The client says no more, and does not end the stream.
    refusal = await refused(call)
    assert refusal.kind == ("RESOURCE_EXHAUSTED", code)
    await in_thread(nothing_left)(files)
    assert (await the_job()).status == "cancelled"


@pytest.mark.parametrize("limit", ["MAX_UPLOAD_BYTES", "QUOTA_BYTES"])
async def test_a_little_too_much_is_refused_at_the_end(
    stub: Any, auth: Metadata, settings: Any, files: Path, limit: str
) -> None:
    setattr(settings, limit, 5000)
    refusal = await refused(stub.UploadCSV(cut(DATA[:5001]), metadata=auth))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    await in_thread(nothing_left)(files)


async def test_as_much_as_is_allowed_will_do(stub: Any, auth: Metadata, settings: Any, worker: None) -> None:
    settings.MAX_UPLOAD_BYTES = settings.QUOTA_BYTES = len(DATA)
    Expected.of(DATA).check(await stub.UploadCSV(cut(DATA), metadata=auth, timeout=60))


async def test_a_full_storage_is_told_and_nothing_is_left(
    stub: Any, auth: Metadata, small_parts: None, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = FileSystemStorage.save, []

    def full(storage: FileSystemStorage, name: str, *args: Any, **kwargs: Any) -> str:
        saved.append(name)
        if len(saved) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(storage, name, *args, **kwargs)

    monkeypatch.setattr(FileSystemStorage, "save", full)
    refusal = await refused(stub.UploadCSV(cut(DATA), metadata=auth))
    assert refusal.kind == ("RESOURCE_EXHAUSTED", "storage_full")
    assert "Nothing of the file is kept" in refusal.message
    await in_thread(nothing_left)(files)


async def test_too_many_open_jobs_are_refused(
    stub: Any, auth: Metadata, settings: Any, make_upload: MakeUpload
) -> None:
    await in_thread(make_upload)(DATA)
    settings.MAX_OPEN_JOBS = 1
    refusal = await refused(stub.UploadCSV(cut(DATA), metadata=auth))
    assert refusal.kind == ("RESOURCE_EXHAUSTED", "too_many_jobs")
    assert refusal.retry_seconds == 30


@pytest.mark.parametrize("moment", ["while the file comes", "while the result is waited for"])
@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("cancelled", ("ABORTED", "job_cancelled")),
        ("deleted", ("NOT_FOUND", "not_found")),
        ("locked out", ("UNAUTHENTICATED", "unauthorized")),
    ],
)
async def test_who_sends_is_told_what_others_do_to_the_job(
    stub: Any,
    auth: Metadata,
    small_parts: None,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    what: str,
    kind: tuple[str, str],
) -> None:
    monkeypatch.setattr("reports.watching.REREAD_SECONDS", 0.05)
    waits = moment == "while the result is waited for"
    call = stub.UploadCSV(metadata=auth, timeout=60)
    await call.write(UploadRequest(data=DATA[:1000]))
    await call.initial_metadata()
    if waits:
        await call.done_writing()
        await whole()
    job = await the_job()
    if what == "locked out":
        await in_thread(User.objects.update)(is_active=False)
    else:
        await in_thread(lifecycle.cancel if what == "cancelled" else lifecycle.delete)(job)
    refusal = await refused(call if waits else _write_on(call))
    assert refusal.kind == kind
    if not waits or what == "deleted":
        await gone(files)


async def whole() -> None:
    """Wait until the file is here."""
    async with asyncio.timeout(20):
        while not await in_thread(Upload.objects.filter(state="complete").exists)():
            await asyncio.sleep(0.01)


async def test_many_at_once_do_not_mix(stub: Any, auth: Metadata, worker: None, small_parts: None) -> None:
    async def messages(data: bytes) -> AsyncIterator[UploadRequest]:
        for message in cut(data, 3000):
            yield message
            await asyncio.sleep(0)

    different = [sales_csv(300 + number, seed=number, departments=number + 1) for number in range(20)]
    answers = await asyncio.gather(*(stub.UploadCSV(messages(data), metadata=auth, timeout=60) for data in different))
    for data, answer in zip(different, answers, strict=True):
        Expected.of(data).check(answer)
        assert answer.total == Expected.of(data).total
