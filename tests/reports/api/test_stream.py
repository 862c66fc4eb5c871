"""GET /api/jobs/{id}/stream: server-sent events, till the job has ended."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.db import SessionStore
from django.test import AsyncClient
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken, User
from reports import admission, events, lifecycle, loop, openstreams, runner, watching
from reports.models import Job
from salesagg.asgi import application
from tests.conftest import MakeUpload
from tests.files import sales_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DATA = sales_csv(50, bad_every=10)

in_thread: Callable[..., Any] = database_sync_to_async
Event = dict[str, str]


@pytest.fixture(autouse=True)
async def _events_reach_this_loop() -> AsyncIterator[None]:
    loop.use(asyncio.get_running_loop())
    yield
    # The thread in which the test client has run views, whose connection nobody else closes.
    await in_thread(lambda: None)()


@pytest.fixture
async def job(make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch) -> Job:
    job: Job = await in_thread((await in_thread(make_upload)(DATA)).jobs.get)()
    # The next progress is not too soon after the upload's.
    monkeypatch.setattr(events, "_last_progress", {})
    return job


def path(job: Job) -> str:
    return f"/api/jobs/{job.pk}/stream"


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


async def opened(job: Job, token: str, **headers: str) -> Any:
    answer = await AsyncClient().get(path(job), headers=bearer(token, **headers))
    assert answer.status_code == 200
    return answer


async def events_of(answer: Any) -> AsyncIterator[Event]:
    """The fields of each event; a comment is one, too."""
    async with asyncio.timeout(20):
        async for block in answer.streaming_content:
            lines = block.decode().removesuffix("\n\n").split("\n")
            yield dict(line.split(": ", 1) for line in lines)


async def test_it_tells_the_job_then_its_progress_then_its_end(job: Job, token: str) -> None:
    answer = await opened(job, token)
    assert answer["Content-Type"] == "text/event-stream"
    assert (answer["Cache-Control"], answer["X-Accel-Buffering"]) == ("no-store", "no")
    told = events_of(answer)
    assert await anext(told) == {"retry": "2000"}
    first = await anext(told)
    assert first["event"] == "snapshot"
    as_json = await AsyncClient().get(f"/api/jobs/{job.pk}", headers=bearer(token))
    assert json.loads(first["data"]) == as_json.json()
    assert first["id"] == str(as_json.json()["version"])

    await in_thread(lifecycle.upload_progressed)(job.upload)
    change = await anext(told)
    assert change["event"] == "progress"
    progress = json.loads(change["data"])
    assert int(change["id"]) == progress["version"] == as_json.json()["version"] + 1
    assert {name: as_json.json()[name] for name in progress} == progress | {"version": as_json.json()["version"]}

    await in_thread(runner.run_all)()
    *changes, last = [event async for event in told]
    assert {event["event"] for event in changes} <= {"progress"}
    assert last["event"] == "completed"
    as_json = await AsyncClient().get(f"/api/jobs/{job.pk}", headers=bearer(token))
    assert json.loads(last["data"]) == as_json.json()
    assert (as_json.json()["processedRows"], as_json.json()["failedCount"]) == (50, 5)


async def test_of_a_job_that_has_ended_it_tells_all_and_ends(job: Job, token: str) -> None:
    await in_thread(runner.run_all)()
    told = [event.get("event") async for event in events_of(await opened(job, token))]
    assert told == [None, "snapshot", "completed"]


async def test_who_knows_the_end_is_told_not_to_come_again(job: Job, token: str) -> None:
    await in_thread(runner.run_all)()
    *_, last = [event async for event in events_of(await opened(job, token))]
    answer = await AsyncClient().get(path(job), headers=bearer(token, **{"Last-Event-ID": last["id"]}))
    assert (answer.status_code, answer.content) == (204, b"")
    answer = await opened(job, token, **{"Last-Event-ID": str(int(last["id"]) - 1)})
    assert [event.get("event") async for event in events_of(answer)][-1] == "completed"


async def test_who_knows_the_latest_of_a_job_that_goes_on_watches_on(job: Job, token: str) -> None:
    answer = await opened(job, token, **{"Last-Event-ID": str(job.version)})
    told = events_of(answer)
    assert [(await anext(told)).get("event") for _ in range(2)] == [None, "snapshot"]


@pytest.mark.parametrize(("language", "reason"), [("en", "The file is empty."), ("de", "Die Datei ist leer.")])
async def test_a_failure_is_told_in_the_callers_language(
    make_upload: MakeUpload, token: str, language: str, reason: str
) -> None:
    job = await in_thread((await in_thread(make_upload)(b"")).jobs.get)()
    told = events_of(await opened(job, token, **{"Accept-Language": language}))
    await anext(told)
    await in_thread(runner.run_all)()
    *_, last = [event async for event in told]
    assert last["event"] == "failed"
    error = json.loads(last["data"])["error"]
    assert error["code"] == "empty_file"
    assert error["detail"].startswith(reason)


async def test_it_tells_that_the_job_was_cancelled(job: Job, token: str) -> None:
    told = events_of(await opened(job, token))
    await anext(told)
    await in_thread(lifecycle.cancel)(job)
    assert [event["event"] async for event in told][-1] == "cancelled"


async def test_it_tells_that_the_job_was_deleted(job: Job, token: str) -> None:
    told = events_of(await opened(job, token))
    assert [(await anext(told)).get("event") for _ in range(2)] == [None, "snapshot"]
    await in_thread(lifecycle.delete)(job)
    assert [event async for event in told] == [{"event": "deleted", "data": "{}"}]


async def test_a_comment_comes_when_there_is_nothing_to_tell(
    job: Job, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.05)
    told = events_of(await opened(job, token))
    assert [await anext(told) for _ in range(3)][2] == {"": "heartbeat"}


async def test_a_session_will_do(job: Job, user: User) -> None:
    browser = AsyncClient()
    await browser.aforce_login(user)
    assert (await browser.get(path(job))).status_code == 200


async def test_a_token_that_may_only_read_will_do(job: Job, user: User) -> None:
    token = await in_thread(tokens.issue)(user, name="reader", scopes=ApiToken.Scopes.READ)
    await opened(job, token)


async def test_nobody_is_refused(job: Job) -> None:
    answer = await AsyncClient().get(path(job))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_stranger_finds_nothing(job: Job, stranger: User) -> None:
    token = await in_thread(tokens.issue)(stranger, name="theirs")
    answer = await AsyncClient().get(path(job), headers=bearer(token))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_another_method_is_refused(job: Job, token: str) -> None:
    answer = await AsyncClient().post(path(job), headers=bearer(token))
    assert answer.status_code == 405


# How credentials end without an announcement: only the check every few seconds finds out.
UNNOTICED: dict[str, Callable[[], Any]] = {
    "token revoked": lambda: ApiToken.objects.update(revoked_at=timezone.now()),
    "token expired": lambda: ApiToken.objects.update(expires_at=timezone.now()),
    "nothing granted": lambda: ApiToken.objects.update(scopes=""),
    "locked out": lambda: User.objects.update(is_active=False),
}


@pytest.fixture
def _checked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "REREAD_SECONDS", 0.05)
    monkeypatch.setattr(admission, "SHARED_SECONDS", 0.0)


@pytest.mark.parametrize("how", UNNOTICED)
@pytest.mark.usefixtures("_checked_often")
async def test_it_ends_soon_after_its_token_does(job: Job, token: str, how: str) -> None:
    told = events_of(await opened(job, token))
    assert [(await anext(told)).get("event") for _ in range(2)] == [None, "snapshot"]
    await in_thread(UNNOTICED[how])()
    assert [event async for event in told] == []


@pytest.mark.parametrize("how", ["logged out", "new password"])
@pytest.mark.usefixtures("_checked_often")
async def test_it_ends_soon_after_its_session_does(job: Job, user: User, how: str) -> None:
    browser = AsyncClient()
    await browser.aforce_login(user)
    told = events_of(await browser.get(path(job)))
    assert [(await anext(told)).get("event") for _ in range(2)] == [None, "snapshot"]
    if how == "logged out":
        await in_thread(SessionStore(browser.cookies["sessionid"].value).delete)()
    else:
        await in_thread(lambda: User.objects.update(password=make_password("another long phrase")))()
    assert [event async for event in told] == []


@pytest.mark.parametrize("how", ["token revoked", "new password"])
async def test_an_announced_change_ends_it_at_once(
    job: Job, user: User, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    # Nothing is asked without being told.
    monkeypatch.setattr(watching, "REREAD_SECONDS", 3600)
    monkeypatch.setattr(admission, "SHARED_SECONDS", 0.05)
    program = await in_thread(tokens.issue)(user, name="program")
    browser = AsyncClient()
    await browser.aforce_login(user)
    streams = {
        "token revoked": events_of(await opened(job, program)),
        "new password": events_of(await browser.get(path(job))),
    }
    for told in streams.values():
        assert [(await anext(told)).get("event") for _ in range(2)] == [None, "snapshot"]
    await in_thread(_revoke if how == "token revoked" else _change_password)()
    assert [event async for event in streams.pop(how)] == []
    # The other one goes on: a new password does not end a token, nor a token a session.
    await in_thread(runner.run_all)()
    assert [event["event"] async for event in streams.popitem()[1]][-1] == "completed"


def _revoke() -> None:
    tokens.revoke(ApiToken.objects.get())


def _change_password() -> None:
    user = User.objects.get()
    user.set_password("another long phrase")
    user.save()


async def test_a_client_that_goes_away_leaves_nothing_behind(job: Job, token: str) -> None:
    layer = get_channel_layer()
    # A channel that somebody left while an event was on its way stays until that expires.
    before = set(layer.channels)
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "GET", "path": path(job), "query_string": b"", "headers": headers}
    client: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]
    await client.send_input({"type": "http.request"})
    sent = b""
    while b"snapshot" not in sent:
        sent += (await client.receive_output(timeout=20)).get("body", b"")
    assert dict(layer.groups) != {}
    await client.send_input({"type": "http.disconnect"})
    await client.wait(timeout=20)
    assert (dict(layer.groups), set(layer.channels) - before) == ({}, set())


async def test_one_stream_too_many_is_refused_until_another_has_ended(job: Job, token: str, settings: Any) -> None:
    settings.MAX_OPEN_STREAMS = 1
    told = events_of(await opened(job, token))
    assert await anext(told) == {"retry": "2000"}
    assert (await anext(told))["event"] == "snapshot"
    refused = await AsyncClient().get(path(job), headers=bearer(token))
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
    assert int(refused["Retry-After"]) > 0
    await in_thread(runner.run_all)()
    assert [event["event"] async for event in told][-1] == "completed"
    again = [event.get("event") async for event in events_of(await opened(job, token))]
    assert again[-1] == "completed"


async def test_of_many_at_once_as_many_as_the_limit_are_opened(job: Job, user: User, token: str, settings: Any) -> None:
    settings.MAX_OPEN_STREAMS = 5
    answers = await asyncio.gather(*(AsyncClient().get(path(job), headers=bearer(token)) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == 5 * [200] + 25 * [429]
    assert openstreams.of(user.pk) == 5
    # Nobody reads or closes the answers, as when a client leaves before its answer begins: the places come back.
    del answers
    # The event loop holds what woke this test until its next round.
    await asyncio.sleep(0)
    gc.collect()
    assert openstreams.of(user.pk) == 0


async def test_asking_for_the_head_alone_leaves_no_stream_open(job: Job, user: User, token: str) -> None:
    answer = await AsyncClient().head(path(job), headers=bearer(token))
    answer.close()
    assert (answer.status_code, openstreams.of(user.pk)) == (200, 0)
