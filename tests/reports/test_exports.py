"""Workbooks and Parquet are made once, by a worker, and kept; nothing but the response waits for one."""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.core.asgi import get_asgi_application
from django.db import connections
from django.db.models.functions import Now
from django.test import AsyncClient, Client

from accounts.errors import Refusal
from accounts.models import User
from reports import exports, formats, lifecycle, results
from reports.exporter import Exporter
from reports.formats import FORMATS, Format
from reports.models import Export, Job
from salesagg.turns import Turns
from tests.files import HEADER, sales_csv
from tests.reports.test_downloads import content
from tests.reports.workbook import sheets
from tests.services import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
Finished = Callable[..., Job]
DATA = HEADER.encode() + b"Toys,2024-01-01,3\nBooks,2024-02-01,4000\n"


@pytest.fixture(autouse=True)
def _every_result_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "SMALL_LINES", 1)
    monkeypatch.setattr(exports, "POLL_SECONDS", 0.02)


@pytest.fixture
def job(finished: Finished) -> Job:
    return finished(DATA)


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    started = Exporter()
    started.start()
    yield started
    started.stop()
    started.join(20)
    assert not started._thread.is_alive()


def kept(files: Path, job: Job) -> list[Path]:
    return sorted((files / "jobs" / str(job.pk)).glob("export-*"))


async def body(response: Any) -> bytes:
    return b"".join([piece async for piece in response.streaming_content])


async def closed_connections() -> None:
    """The views ran in threads whose connections Django's test client leaves open."""
    await sync_to_async(connections.close_all)()


@pytest.mark.parametrize("kind", ["xlsx", "parquet"])
async def test_an_export_is_made_once_for_all_who_wait_and_then_kept(
    user: User, job: Job, files: Path, kind: str
) -> None:
    client = AsyncClient()
    await client.aforce_login(user)
    waiting: list[Any] = [await client.get(f"/jobs/{job.pk}/result.{kind}") for _ in range(5)]
    assert {response.status_code for response in waiting} == {200}
    assert not kept(files, job)
    bodies = asyncio.gather(*map(body, waiting))
    assert await database_sync_to_async(exports.make_all)() == 1
    data = set(await bodies)
    [file] = kept(files, job)
    assert data == {file.read_bytes()}
    again: Any = await client.get(f"/jobs/{job.pk}/result.{kind}")
    assert again["Content-Length"] == str(file.stat().st_size)
    assert again["Content-Disposition"] == waiting[0]["Content-Disposition"]
    assert {await body(again)} == data
    for response in (*waiting, again):
        await sync_to_async(response.close)()
    await closed_connections()


class Asked:
    """A request to an ASGI application."""

    def __init__(self, application: Any, path: str, cookie: str = "") -> None:
        self.sent: list[dict[str, Any]] = []
        self.started = asyncio.Event()
        self._never = asyncio.Event()
        self._bodies = [{"type": "http.request", "body": b""}]
        headers = [(b"host", b"testserver"), (b"cookie", f"sessionid={cookie}".encode())]
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
        self.task = asyncio.create_task(application(scope, self._receive, self._send))

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    async def _receive(self) -> Any:
        if not self._bodies:
            await self._never.wait()
        return self._bodies.pop()

    async def _send(self, message: Any) -> None:
        self.sent.append(message)
        self.started.set()


async def test_a_download_that_waits_for_its_export_keeps_no_slot(user: User, job: Job) -> None:
    client = AsyncClient()
    await client.aforce_login(user)
    cookie = client.cookies["sessionid"].value
    application = Turns(get_asgi_application(), limit=1)
    async with asyncio.timeout(30):
        waiting = [Asked(application, f"/jobs/{job.pk}/result.xlsx", cookie) for _ in range(3)]
        for asked in waiting:
            await asked.started.wait()
        other = Asked(application, f"/jobs/{job.pk}/result.csv", cookie)
        await other.task
        assert other.body.startswith(b"Department Name,")
        assert [asked.body for asked in waiting] == [b""] * 3
        # The headers have left already, so that no proxy gives the download up.
        assert all(len(asked.sent) >= 1 for asked in waiting)
        await database_sync_to_async(exports.make_all)()
        for asked in waiting:
            await asked.task
    assert len({asked.body for asked in waiting}) == 1
    assert sheets(waiting[0].body)["Departments"][1:] == [["Books", 4000.0, 1.0], ["Toys", 3.0, 1.0]]


@pytest.mark.parametrize("path", ["result.json", "result.csv?safe=1"])
async def test_what_is_sent_as_it_is_made_begins_before_the_work(
    user: User, job: Job, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    made: list[str] = []
    departments = formats._departments

    def noted(job: Job) -> Any:
        made.append("lines")
        return departments(job)

    monkeypatch.setattr(formats, "_departments", noted)
    client = AsyncClient()
    await client.aforce_login(user)
    response: Any = await client.get(f"/jobs/{job.pk}/{path}")
    assert response.status_code == 200
    assert made == []
    assert b"Books" in await body(response)
    await sync_to_async(response.close)()
    await closed_connections()


def test_a_worker_makes_what_is_asked_for_without_being_told(ann: Client, job: Job, exporter: Exporter) -> None:
    exports.request(job, "parquet")
    wait_until(lambda: exports.find(job, "parquet") is not None, what="the export")


def test_a_worker_finds_what_another_process_has_asked_for(job: Job, exporter: Exporter) -> None:
    # No wake-up reaches this process.
    Export.objects.create(job=job, kind="xlsx", requested_at=Now())
    wait_until(lambda: exports.find(job, "xlsx") is not None, what="the export")


def test_an_export_whose_worker_was_lost_is_made_by_another(job: Job, files: Path) -> None:
    exports.request(job, "xlsx")
    lost = exports.claim()
    assert lost is not None
    assert exports.claim() is None
    Export.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert exports.make_all() == 1
    [first] = kept(files, job)
    # The lost one wakes up: what it makes is not kept.
    exports.make(lost)
    assert kept(files, job) == [first]
    assert Export.objects.get().storage_name.endswith(first.name)


def test_an_export_that_fails_is_tried_again_and_then_refused(
    ann: Client, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(job: Job, out: Any) -> None:
        raise ValueError("a defect")

    right = FORMATS["xlsx"]
    monkeypatch.setitem(FORMATS, "xlsx", Format(right.content_type, write=fail))
    export = exports.request(job, "xlsx")
    for _attempt in range(exports.MAX_ATTEMPTS):
        assert exports.make_all() == 1
        assert exports.make_all() == 0
        Export.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert exports.make_all() == 0
    response = ann.get(f"/jobs/{job.pk}/result.xlsx")
    assert (response.status_code, response.json()["code"]) == (503, "export_failed")
    assert int(response["Retry-After"]) > 0
    with pytest.raises(Refusal, match="could not be made"):
        asyncio.run(exports.wait(export))
    monkeypatch.setitem(FORMATS, "xlsx", right)
    Export.objects.update(requested_at=Now() - timedelta(seconds=exports.ASK_AGAIN_SECONDS + 1))
    exports.request(job, "xlsx")
    assert exports.make_all() == 1
    assert exports.find(job, "xlsx") is not None


def test_exports_are_deleted_with_their_job(ann: Client, job: Job, files: Path) -> None:
    for kind in ("xlsx", "parquet"):
        exports.request(job, kind)
    assert exports.make_all() == 2
    assert len(kept(files, job)) == 2
    lifecycle.delete(job)
    assert not Export.objects.exists()
    assert not kept(files, job)


def test_an_export_of_a_job_that_is_deleted_meanwhile_leaves_nothing(job: Job, files: Path) -> None:
    exports.request(job, "xlsx")
    begun = exports.claim()
    assert begun is not None
    lifecycle.delete(job)
    exports.make(begun)
    assert not kept(files, Job(pk=begun.job_id))


def test_who_waits_for_an_export_is_told_when_its_job_is_deleted(job: Job) -> None:
    export = exports.request(job, "xlsx")
    lifecycle.delete(job)
    with pytest.raises(Refusal, match="deleted"):
        asyncio.run(exports.wait(export))


def test_cleaning_keeps_exports_and_removes_those_of_no_job(job: Job, files: Path) -> None:
    exports.request(job, "xlsx")
    exports.make_all()
    results.remove_strays(job.pk, keep=[job.result_name])
    assert len(kept(files, job)) == 1
    named = Export.objects.get().storage_name
    assert results._named([named, "jobs/x/export-1.xlsx"]) == {named}
    assert exports.remove_orphans() == 0
    # As processes of the version before leave it, which delete jobs and know nothing of exports.
    Export.objects.update(job=uuid.uuid4(), storage_name="")
    assert exports.make_all() == 0
    assert exports.remove_orphans() == 1


def test_owners_take_turns_with_their_exports(stranger: User, finished: Finished) -> None:
    mine = [finished(sales_csv(10)) for _ in range(3)]
    theirs = finished(sales_csv(10), owner=stranger)
    for job in (*mine, theirs):
        exports.request(job, "xlsx")
    order = []
    while (export := exports.claim()) is not None:
        order.append(export.job_id)
    assert order == [mine[0].pk, theirs.pk, mine[1].pk, mine[2].pk]


def test_a_small_result_is_made_in_the_request(
    ann: Client, job: Job, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "SMALL_LINES", 2)
    with contextlib.closing(ann.get(f"/jobs/{job.pk}/result.xlsx")) as response:
        assert len(content(response)) == int(response["Content-Length"])
    assert not Export.objects.exists()
    monkeypatch.setattr(exports, "SMALL_BYTES", 10)
    ann.get(f"/jobs/{job.pk}/result.xlsx").close()
    assert Export.objects.exists()


@pytest.mark.parametrize("path", ["/jobs/{}/result.xlsx", "/api/jobs/{}/result.xlsx"])
def test_head_asks_for_no_export(ann: Client, job: Job, path: str) -> None:
    with contextlib.closing(ann.head(path.format(job.pk))) as response:
        assert response.status_code == 200
        assert response["Content-Type"].startswith("application/vnd.openxml")
    assert not Export.objects.exists()
