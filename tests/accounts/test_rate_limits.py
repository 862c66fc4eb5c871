"""Requests are counted, by person and by address: a loop without a pause is told to wait, and nobody else notices."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from accounts import ratelimit, tokens
from accounts.models import ApiToken, User
from salesagg import backends

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
JOBS = "/api/jobs"
# Twenty seconds into a minute.
NOW = 1_800_000_020.0


def program(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {tokens.issue(user, name='tests')}"})


def statuses(client: Client, count: int, path: str = JOBS, **extra: Any) -> list[int]:
    return [client.get(path, **extra).status_code for _ in range(count)]


@pytest.fixture(autouse=True)
def _within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets the end of the minute in which it began."""
    monkeypatch.setattr(ratelimit, "time", SimpleNamespace(time=lambda: NOW))


def test_a_loop_is_told_how_long_to_wait(user: User, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    client = program(user)
    assert statuses(client, 2) == [200, 200]
    answer = client.get(JOBS)
    assert answer.status_code == 429
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "too_many_requests"
    assert answer["Retry-After"] == "41"


def test_who_has_waited_is_served(user: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    client = program(user)
    assert statuses(client, 2) == [200, 429]
    monkeypatch.setattr(ratelimit, "time", SimpleNamespace(time=lambda: NOW + 41))
    assert statuses(client, 2) == [200, 429]


def test_all_tokens_and_sessions_of_a_person_are_counted_together(user: User, ann: Client, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 3
    clients = [program(user), program(user), ann, program(user)]
    assert [client.get(JOBS).status_code for client in clients] == [200, 200, 200, 429]
    assert ApiToken.objects.count() == 3


def test_people_do_not_share_a_limit(user: User, stranger: User, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    for client in (program(user), program(stranger)):
        assert statuses(client, 2) == [200, 429]


def test_an_address_has_a_limit_before_anybody_is_known(user: User, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 2
    guess = {"Authorization": "Bearer salesagg_guess"}
    assert statuses(Client(), 3, headers=guess, REMOTE_ADDR="192.0.2.1") == [401, 401, 429]
    assert program(user).get(JOBS, REMOTE_ADDR="192.0.2.1").status_code == 429
    assert program(user).get(JOBS, REMOTE_ADDR="192.0.2.2").status_code == 200


@pytest.mark.parametrize("path", ["/api/auth/app/v1/auth/session", "/api/downloads/x/result.csv", "/api/nothing"])
def test_everything_below_api_counts_for_the_address(path: str, settings: Any, db: None) -> None:
    settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 1
    answers = statuses(Client(), 2, path)
    assert answers[0] in (401, 404)
    assert answers[1] == 429


def test_a_network_of_ipv6_is_one_address(settings: Any, db: None) -> None:
    settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 1
    addresses = ["2001:db8::1", "2001:db8::2:1", "2001:db8:1::1"]
    assert [Client().get(JOBS, REMOTE_ADDR=address).status_code for address in addresses] == [401, 429, 401]


def test_callers_without_an_address_are_not_one_caller(settings: Any, db: None) -> None:
    settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 1
    assert statuses(Client(), 3, REMOTE_ADDR="") == [401, 401, 401]


def test_an_address_is_believed_of_a_trusted_proxy_alone(settings: Any, db: None) -> None:
    settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 1

    def ask(forwarded: str) -> int:
        return Client().get(JOBS, headers={"X-Forwarded-For": forwarded}).status_code

    assert [ask("192.0.2.1"), ask("192.0.2.2")] == [401, 429]
    settings.BEHIND_PROXY = True
    assert [ask("192.0.2.1"), ask("192.0.2.2"), ask("forged, 192.0.2.1")] == [401, 401, 429]


def test_chunks_of_uploads_and_pages_are_not_counted(user: User, ann: Client, token: str, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 1
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    created = Client().generic("POST", "/uploads/", headers=headers | {"Upload-Length": "3"})
    for offset in range(3):
        sent = headers | {"Upload-Offset": str(offset)}
        chunk = Client().patch(created["Location"], b"x", "application/offset+octet-stream", headers=sent)
        assert chunk.status_code == 204
    assert statuses(ann, 3, "/") == [200, 200, 200]


def test_nought_is_no_limit(user: User, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 0
    assert statuses(program(user), 5) == [200] * 5


def test_each_process_counts_for_itself_while_the_cache_is_away(user: User, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    # Nobody listens there.
    settings.CACHES = backends.caches("redis://127.0.0.1:1/0")
    assert statuses(program(user), 3) == [200, 200, 429]
    del settings.CACHES
