"""The live socket: one's own jobs, all of them, never an older state after a newer one."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from allauth.usersessions.models import UserSession
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts import deletion, presence, sessions, tokens
from accounts.models import ApiToken, User
from reports import admission, consumers, events, lifecycle, loop, openstreams, runner
from salesagg.asgi import application
from tests.conftest import MakeUpload
from tests.files import sales_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DATA = sales_csv(50)
ORIGIN = [(b"origin", b"http://localhost"), (b"host", b"localhost")]

in_thread: Callable[..., Any] = database_sync_to_async


@pytest.fixture(autouse=True)
async def _events_reach_this_loop() -> None:
    loop.use(asyncio.get_running_loop())


@contextlib.asynccontextmanager
async def connected(
    user: User,
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    shown: list[str] | None = None,
    language: str = "en",
) -> AsyncIterator[Any]:
    client = Client()
    await in_thread(client.force_login)(user)
    cookie = (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())
    query = urlencode([("language", language), *(("job", job) for job in shown or [])])
    socket = WebsocketCommunicator(application, f"/ws/jobs/?{query}", headers=[cookie, *(headers or ORIGIN)])
    assert (await socket.connect(timeout=10))[0]
    try:
        yield socket
    finally:
        await socket.disconnect()


async def jobs_from(socket: Any) -> list[dict[str, Any]]:
    message = await socket.receive_json_from(timeout=10)
    jobs: list[dict[str, Any]] = message["jobs"]
    return jobs


async def test_it_begins_with_a_snapshot_newest_first(user: User, make_upload: MakeUpload) -> None:
    await in_thread(make_upload)(DATA, name="first.csv")
    await in_thread(make_upload)(DATA, name="second.csv")
    async with connected(user) as socket:
        message = await socket.receive_json_from(timeout=10)
    assert message["type"] == "snapshot"
    assert [job["filename"] for job in message["jobs"]] == ["second.csv", "first.csv"]
    assert message["jobs"][0]["upload"]["length"] == len(DATA)


async def test_it_tells_a_job_from_its_creation_to_its_end_with_growing_versions(
    user: User, make_upload: MakeUpload
) -> None:
    async with connected(user) as socket:
        assert await jobs_from(socket) == []
        await in_thread(make_upload)(DATA)
        await in_thread(runner.run_all)()
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["state"] != "done":
            seen += await jobs_from(socket)
    versions = [job["version"] for job in seen]
    assert versions == sorted(set(versions))
    assert (seen[-1]["rows"], seen[-1]["departments"]) == (50, 5)


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws/jobs", "/nothing/", "/ws/jobs/x"])
async def test_socket_at_an_address_that_has_none_is_refused(path: str) -> None:
    socket = WebsocketCommunicator(application, path, headers=ORIGIN)
    assert (await socket.connect(timeout=10))[0] is False
    await socket.disconnect()


@pytest.mark.parametrize(
    "cookie", [b"\xff\xfe", b"sessionid=\xc3\x28", b"sessionid=" + b"x" * 5000, b"sessionid", b"=;=;"]
)
async def test_unreadable_cookie_is_no_login(cookie: bytes) -> None:
    socket = WebsocketCommunicator(application, "/ws/jobs/", headers=[(b"cookie", cookie), *ORIGIN])
    assert (await socket.connect(timeout=10))[0]
    assert await socket.receive_output(timeout=10) == {"type": "websocket.close", "code": consumers.NOT_LOGGED_IN}


async def test_a_burst_of_changes_is_told_in_few_messages_the_last_of_them_the_last_state(
    user: User, make_upload: MakeUpload
) -> None:
    upload = await in_thread(make_upload)(DATA)

    def change() -> None:
        for _ in range(40):
            lifecycle.upload_progressed(upload)
            events.announce(upload.jobs.get().pk)

    async with connected(user) as socket:
        [before] = await jobs_from(socket)
        began = time.monotonic()
        await in_thread(change)()
        told: list[dict[str, Any]] = []
        while not told or told[-1]["version"] < before["version"] + 40:
            told += await jobs_from(socket)
        elapsed = time.monotonic() - began
    assert told[-1]["version"] == before["version"] + 40
    assert len(told) <= 2 + elapsed / consumers.SEND_INTERVAL


async def test_it_tells_nobody_elses_jobs(user: User, stranger: User, make_upload: MakeUpload) -> None:
    await in_thread(make_upload)(DATA, owner=stranger)
    async with connected(user) as socket:
        assert await jobs_from(socket) == []
        await in_thread(make_upload)(DATA, owner=stranger)
        await in_thread(runner.run_all)()
        assert await socket.receive_nothing()


async def test_an_old_event_after_a_newer_snapshot_is_dropped(user: User, make_upload: MakeUpload) -> None:
    await in_thread(make_upload)(DATA)
    async with connected(user) as socket:
        [job] = await jobs_from(socket)
        old = {"type": "job.changed", "job": job | {"version": job["version"] - 1}}
        same = {"type": "job.changed", "job": job}
        for event in (old, same):
            await get_channel_layer().group_send(events.group_of(user.pk), event)
        assert await socket.receive_nothing()


async def test_a_lost_event_is_made_up_for_by_reading_again(
    user: User, make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "REREAD_SECONDS", 0.05)
    await in_thread(make_upload)(DATA)
    async with connected(user) as socket:
        [job] = await jobs_from(socket)
        monkeypatch.setattr(events, "announce", lambda job_id: None)
        await in_thread(runner.run_all)()
        [later] = await jobs_from(socket)
        while later["state"] != "done":
            [later] = await jobs_from(socket)
        assert later["id"] == job["id"]


async def test_a_page_that_is_opened_while_events_cannot_be_had_stays_open_and_has_them_later(
    user: User, make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = get_channel_layer()
    group_add, tries = layer.group_add, 0

    async def failing_at_first(*args: Any) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ConnectionError
        await group_add(*args)

    monkeypatch.setattr(layer, "group_add", failing_at_first)
    monkeypatch.setattr(consumers, "REREAD_SECONDS", 0.05)
    async with connected(user) as socket:
        assert await jobs_from(socket) == []
        async with asyncio.timeout(10):
            while tries < 3:
                await asyncio.sleep(0.01)
        # From now on nothing is read again: what is told is told by an event.
        monkeypatch.setattr(consumers.JobsConsumer, "catch_up", _nothing_missed)
        await in_thread(make_upload)(DATA, name="later.csv")
        assert (await jobs_from(socket))[0]["filename"] == "later.csv"


async def _nothing_missed(consumer: Any) -> None:
    pass


async def test_the_snapshot_has_also_the_older_jobs_that_the_page_shows(
    user: User, make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECENT_JOBS", 1)
    old = (await in_thread(make_upload)(DATA, name="old.csv")).jobs
    await in_thread(make_upload)(DATA, name="between.csv")
    await in_thread(make_upload)(DATA, name="new.csv")
    job = await in_thread(old.get)()
    async with connected(user, shown=[str(job.pk), "no id", ""]) as socket:
        assert [told["filename"] for told in await jobs_from(socket)] == ["new.csv", "old.csv"]


async def test_nobody_elses_job_is_told_for_the_asking(user: User, stranger: User, make_upload: MakeUpload) -> None:
    theirs = await in_thread((await in_thread(make_upload)(DATA, owner=stranger)).jobs.get)()
    async with connected(user, shown=[str(theirs.pk)]) as socket:
        assert await jobs_from(socket) == []


async def test_no_more_jobs_are_read_than_a_page_may_show(
    user: User, make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECENT_JOBS", 0)
    monkeypatch.setattr(consumers, "SHOWN_JOBS", 2)
    jobs = [await in_thread((await in_thread(make_upload)(DATA)).jobs.get)() for _ in range(3)]
    async with connected(user, shown=[str(job.pk) for job in jobs]) as socket:
        assert {told["id"] for told in await jobs_from(socket)} == {str(job.pk) for job in jobs[:2]}


async def test_a_removed_job_is_told(user: User, make_upload: MakeUpload) -> None:
    job = await in_thread((await in_thread(make_upload)(DATA)).jobs.get)()
    async with connected(user) as socket:
        await jobs_from(socket)
        await in_thread(lifecycle.delete)(job)
        assert await socket.receive_json_from(timeout=10) == {"type": "removed", "jobs": [str(job.pk)]}


async def test_a_removal_that_no_event_told_is_found_by_reading_again(
    user: User, make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "REREAD_SECONDS", 0.05)
    job = await in_thread((await in_thread(make_upload)(DATA)).jobs.get)()
    async with connected(user) as socket:
        await jobs_from(socket)
        monkeypatch.setattr(events, "announce_removed", lambda owner_id, job_id: None)
        await in_thread(lifecycle.delete)(job)
        assert await socket.receive_json_from(timeout=10) == {"type": "removed", "jobs": [str(job.pk)]}


@pytest.mark.parametrize(
    ("language", "error"),
    [("en", "The file is empty."), ("de", "Die Datei ist leer."), ("xx", "The file is empty."), ("", "The file")],
)
async def test_errors_are_told_in_the_language_of_the_page(
    user: User, make_upload: MakeUpload, language: str, error: str
) -> None:
    async with connected(user, language=language) as socket:
        assert await jobs_from(socket) == []
        await in_thread(make_upload)(b"")
        await in_thread(runner.run_all)()
        while True:
            (job,) = await jobs_from(socket)
            if job["status"] == "failed":
                break
        assert job["error"].startswith(error)
    async with connected(user, language=language) as socket:
        (job,) = await jobs_from(socket)
        assert job["error"].startswith(error)


async def test_an_open_page_is_a_sign_that_the_person_is_there(user: User) -> None:
    assert presence.is_away(user.pk)
    async with connected(user) as socket:
        await jobs_from(socket)
        assert not presence.is_away(user.pk)


async def test_nobody_is_told_why_and_closed(db: None) -> None:
    socket = WebsocketCommunicator(application, "/ws/jobs/", headers=ORIGIN)
    assert (await socket.connect())[0]
    assert await socket.receive_output() == {"type": "websocket.close", "code": 4401}


@pytest.mark.parametrize(
    "origin",
    [
        *(
            b"http://evil.example",
            b"null",
            b"",
            b"http://localhost:81",
            b"https://localhost",
            b"https://localhost:8000",
        ),
        *(
            b"http://localhost.evil.example",
            b"http://localhost@evil.example",
            b"http://[",
            b"ws://localhost",
            b"localhost",
        ),
    ],
)
async def test_a_page_of_another_site_gets_no_socket(user: User, origin: bytes) -> None:
    client = Client()
    await in_thread(client.force_login)(user)
    cookie = (b"cookie", f"sessionid={client.cookies['sessionid'].value}".encode())
    headers = [cookie, (b"origin", origin), (b"host", b"localhost")]
    socket = WebsocketCommunicator(application, "/ws/jobs/", headers=headers)
    assert not (await socket.connect())[0]


@pytest.mark.parametrize("behind_proxy", [False, True])
async def test_the_origin_is_that_of_the_site_or_of_the_host_asked(
    user: User, settings: Any, behind_proxy: bool
) -> None:
    settings.SITE_URL, settings.BEHIND_PROXY = "https://sales.example.com", behind_proxy
    settings.ALLOWED_HOSTS = ["sales.example.com", "other.example.com"]

    async def opens(origin: bytes, host: bytes) -> bool:
        headers = [(b"origin", origin), (b"host", host), (b"x-forwarded-proto", b"https")]
        socket = WebsocketCommunicator(application, "/ws/jobs/", headers=headers)
        opened: bool = (await socket.connect(timeout=10))[0]
        return opened

    assert await opens(b"https://sales.example.com", b"sales.example.com")
    assert await opens(b"https://sales.example.com:443", b"sales.example.com")
    assert not await opens(b"http://sales.example.com:8080", b"sales.example.com")
    # Another name of the site, by the scheme that only the proxy of the setting is believed about.
    assert await opens(b"https://other.example.com", b"other.example.com") == behind_proxy
    assert await opens(b"http://other.example.com", b"other.example.com") != behind_proxy
    assert not await opens(b"https://evil.example", b"evil.example")


async def test_socket_is_refused_until_the_first_password_is_changed(user: User) -> None:
    await in_thread(User.objects.update)(must_change_password=True)
    async with connected(user) as socket:
        assert await socket.receive_output(timeout=600) == {"type": "websocket.close", "code": 4401}


def change_password(user: User) -> None:
    user = User.objects.get(pk=user.pk)
    user.set_password("another long phrase")
    user.save()


def log_out(user: User) -> None:
    SessionStore(Session.objects.get().session_key).delete()


def expire(user: User) -> None:
    Session.objects.update(expire_date=timezone.now())


# Nothing is announced of these, so that only the check every few seconds finds them.
UNNOTICED: dict[str, Callable[[User], Any]] = {
    "logged out": log_out,
    "session expired": expire,
    "locked out": lambda user: User.objects.update(is_active=False),
    "new password": lambda user: User.objects.update(password=make_password("another long phrase")),
    "deleted": lambda user: User.objects.all().delete(),
}


@pytest.mark.parametrize("how", UNNOTICED)
async def test_a_socket_ends_soon_after_its_login_does(user: User, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(admission, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(admission, "SHARED_SECONDS", 0.0)
    async with connected(user) as socket:
        await jobs_from(socket)
        await in_thread(UNNOTICED[how])(user)
        closed = await socket.receive_output(timeout=10)
    assert closed == {"type": "websocket.close", "code": 4401}


ANNOUNCED: dict[str, Callable[[User], Any]] = {
    "new password": change_password,
    "account closed": lambda user: deletion.delete(user),
    "session ended on the page": lambda user: sessions.end(UserSession.objects.all()),
}


@pytest.mark.parametrize("how", ANNOUNCED)
async def test_an_announced_change_ends_a_socket_at_once(user: User, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    # Nothing is asked without being told.
    monkeypatch.setattr(admission, "CHECK_SECONDS", 3600)
    monkeypatch.setattr(admission, "SHARED_SECONDS", 0.05)
    async with connected(user) as socket:
        await jobs_from(socket)
        key = await in_thread(lambda: Session.objects.get().session_key)()
        await in_thread(UserSession.objects.create)(user=user, ip="192.0.2.7", session_key=key)
        await in_thread(ANNOUNCED[how])(user)
        while (closed := await socket.receive_output(timeout=10))["type"] != "websocket.close":
            pass
    assert closed == {"type": "websocket.close", "code": 4401}


async def test_a_socket_stays_open_when_another_token_is_revoked(
    user: User, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "SHARED_SECONDS", 0.0)
    async with connected(user) as socket:
        await jobs_from(socket)
        await in_thread(lambda: tokens.revoke(ApiToken.objects.get()))()
        assert await socket.receive_nothing(timeout=0.5)


async def test_a_socket_outlives_a_new_secret_key(user: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(admission, "SHARED_SECONDS", 0.0)
    async with connected(user) as socket:
        await jobs_from(socket)
        key = await in_thread(lambda: Session.objects.get().session_key)()
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
        assert await socket.receive_nothing(timeout=0.5)
        # The browser was not sent another key, so the session keeps the one that it has.
        assert await in_thread(lambda: Session.objects.get().session_key)() == key


async def test_what_a_browser_says_is_ignored(user: User) -> None:
    async with connected(user) as socket:
        await jobs_from(socket)
        await socket.send_to(text_data="no json")
        await socket.send_to(bytes_data=b"\0")
        assert await socket.receive_nothing()


async def test_somebody_who_has_too_many_open_is_told_so_and_may_open_another_when_one_is_closed(
    user: User, stranger: User, settings: Any
) -> None:
    settings.MAX_OPEN_STREAMS = 1
    async with connected(user) as first:
        assert await jobs_from(first) == []
        async with connected(user) as second:
            closed = await second.receive_output(timeout=10)
            assert closed == {"type": "websocket.close", "code": 4429, "reason": "too_many_streams"}
        async with connected(stranger) as theirs:
            assert await jobs_from(theirs) == []
    async with connected(user) as third:
        assert await jobs_from(third) == []
    assert (openstreams.of(user.pk), openstreams.of(stranger.pk)) == (0, 0)


async def test_of_many_sockets_at_once_as_many_as_the_limit_stay_open(user: User, settings: Any) -> None:
    settings.MAX_OPEN_STREAMS = 5
    async with contextlib.AsyncExitStack() as stack:
        sockets = await asyncio.gather(*(stack.enter_async_context(connected(user)) for _ in range(20)))
        kinds = [(await socket.receive_output(timeout=20))["type"] for socket in sockets]
        assert sorted(kinds) == 15 * ["websocket.close"] + 5 * ["websocket.send"]
        assert openstreams.of(user.pk) == 5
    assert openstreams.of(user.pk) == 0


async def test_where_there_is_no_limit_any_number_may_be_open(user: User, settings: Any) -> None:
    settings.MAX_OPEN_STREAMS = 0
    async with connected(user) as first, connected(user) as second:
        assert [await jobs_from(one) for one in (first, second)] == [[], []]
        assert openstreams.of(user.pk) == 2
