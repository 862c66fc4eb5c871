"""Requests that come twice: done once, answered alike."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from accounts import idempotency, tokens
from accounts.api import once
from accounts.api.schemas import Out
from accounts.errors import Refusal
from accounts.idempotency import Answer
from accounts.models import ApiToken, IdempotentRequest, User

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


class Made(Out):
    made_by: str
    number: int


def request(user: User, key: str | None = "k1", body: str = "{}", path: str = "/api/things") -> HttpRequest:
    headers = {} if key is None else {"Idempotency-Key": key}
    made = RequestFactory().post(path, body, content_type="application/json", headers=headers)
    made.user = user
    return made


def make(user: User) -> Made:
    """Work of which can be seen how often it was done."""
    tokens.issue(user, name="made")
    return Made(made_by=user.email, number=user.api_tokens.count())


def create(user: User, work: Callable[[], Made] | None = None, **asked: Any) -> HttpResponse:
    return once.create(
        request(user, **asked), work or (lambda: make(user)), location=lambda made: f"/api/things/{made.number}"
    )


def refusal(work: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        work()
    return caught.value.status, caught.value.code


def test_the_second_answer_is_the_first(user: User) -> None:
    first, second = create(user), create(user)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content == b'{"madeBy": "ann@example.org", "number": 1}'
    assert first["Location"] == second["Location"] == "/api/things/1"
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert ApiToken.objects.count() == 1


def test_without_a_key_each_request_is_its_own(user: User) -> None:
    assert [create(user, key=key).content[-2:] for key in (None, None, "")] == [b"1}", b"2}", b"3}"]
    assert not IdempotentRequest.objects.exists()


def test_a_key_is_good_for_one_request(user: User) -> None:
    create(user)
    for other in ({"body": '{"other": 1}'}, {"path": "/api/others"}, {"path": "/api/things?q=1"}):
        assert refusal(lambda other=other: create(user, **other)) == (422, "idempotency_key_reused")  # type: ignore[misc]
    assert ApiToken.objects.count() == 1


def test_a_body_counts_whatever_it_is_called(user: User) -> None:
    def sent(body: str) -> HttpRequest:
        made = RequestFactory().generic("POST", "/api/things", body, headers={"Idempotency-Key": "k1"})
        made.user = user
        return made

    once.create(sent("{}"), lambda: make(user))
    assert refusal(lambda: once.create(sent("[]"), lambda: make(user))) == (422, "idempotency_key_reused")


def form(user: User) -> HttpRequest:
    made = RequestFactory().post("/api/things", {"name": "a"}, headers={"Idempotency-Key": "k1"})
    made.user = user
    return made


def send_form(user: User, content: str, read: list[str]) -> Answer:
    """A form that holds `content`; `read` has those that were read to be compared."""

    def content_of(request: HttpRequest) -> str:
        read.append(content)
        return content

    with idempotency.once(form(user), user, content_of=content_of) as served:
        if served.answered is not None:
            return served.answered
        with transaction.atomic():
            return served.keep(Answer(201, {"number": make(user).number}), content=content)


def test_a_key_is_good_for_one_content_of_a_form(user: User) -> None:
    read: list[str] = []
    assert not send_form(user, "a", read).replayed
    # The first is read while it is served, and not before.
    assert read == []
    assert send_form(user, "a", read).replayed
    assert refusal(lambda: send_form(user, "b", read)) == (422, "idempotency_key_reused")
    assert read == ["a", "b"]
    assert ApiToken.objects.count() == 1


def test_a_form_is_not_read_while_the_first_is_being_served(user: User) -> None:
    read: list[str] = []
    with idempotency.once(form(user), user, content_of=lambda request: "a") as served:
        assert refusal(lambda: send_form(user, "b", read)) == (409, "request_in_progress")
        served.keep(Answer(201, {}), content="a")
    assert read == []


def test_kept_answers_cannot_be_read_without_the_secret_key(user: User, settings: Any) -> None:
    first = create(user)
    kept = IdempotentRequest.objects.get()
    assert "ann@" not in json.dumps(kept.answer)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    assert create(user).content == first.content
    settings.SECRET_KEY_FALLBACKS = []
    assert refusal(lambda: create(user)) == (409, "answer_not_kept")
    assert ApiToken.objects.count() == 1


def test_an_answer_kept_by_the_version_before_is_given_again(user: User) -> None:
    first = create(user)
    IdempotentRequest.objects.update(answer={"body": json.loads(first.content), "headers": {}})
    assert create(user).content == first.content


def test_another_persons_key_is_another(user: User, stranger: User) -> None:
    assert b"ann@" in create(user).content
    assert b"bob@" in create(stranger, body='{"other": 1}').content
    assert ApiToken.objects.count() == 2


def test_what_was_refused_may_be_asked_again(user: User) -> None:
    def refuse() -> Made:
        make(user)
        raise Refusal("not_now", "Not now.", status=409)

    assert refusal(lambda: create(user, refuse)) == (409, "not_now")
    assert not ApiToken.objects.exists()
    assert not IdempotentRequest.objects.exists()
    assert create(user).status_code == 201


def test_what_broke_may_be_asked_again(user: User) -> None:
    def fail() -> Made:
        make(user)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        create(user, fail)
    assert not ApiToken.objects.exists()
    assert create(user).status_code == 201


def test_answer_and_work_are_there_together_or_not_at_all(user: User) -> None:
    with (
        pytest.raises(RuntimeError),
        idempotency.once(request(user), user) as served,
        transaction.atomic(),
    ):
        make(user)
        served.keep(Answer(201, {}))
        raise RuntimeError
    assert not ApiToken.objects.exists()
    assert not IdempotentRequest.objects.exists()


def test_what_breaks_afterwards_leaves_the_answer(user: User) -> None:
    with pytest.raises(RuntimeError), idempotency.once(request(user), user) as served:
        with transaction.atomic():
            make(user)
            served.keep(Answer(201, {"number": 1}))
        raise RuntimeError
    assert create(user).content == b'{"number": 1}'
    assert ApiToken.objects.count() == 1


def test_while_the_first_is_being_served_the_second_is_told_to_wait(user: User) -> None:
    begun, ended = threading.Event(), threading.Event()

    def slow() -> int:
        try:
            with idempotency.once(request(user), user) as served:
                begun.set()
                assert ended.wait(30)
                return served.keep(Answer(201, {"number": 7})).status
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow)
        assert begun.wait(30)
        with pytest.raises(Refusal) as caught:
            create(user)
        assert (caught.value.status, caught.value.code) == (409, "request_in_progress")
        assert caught.value.headers == {"Retry-After": "1"}
        assert refusal(lambda: create(user, body="[]")) == (422, "idempotency_key_reused")
        ended.set()
        assert first.result() == 201
    assert create(user).content == b'{"number": 7}'
    assert not ApiToken.objects.exists()


def test_of_many_at_once_one_is_served(user: User) -> None:
    together = threading.Barrier(6)

    def ask() -> str:
        try:
            together.wait(30)
            return create(user).content.decode()
        except Refusal as refused:
            return refused.code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        told = {future.result() for future in [pool.submit(ask) for _ in range(6)]}
    assert told - {"request_in_progress"} == {'{"madeBy": "ann@example.org", "number": 1}'}
    assert ApiToken.objects.count() == 1


def age(**past: Any) -> None:
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(**past))


def test_a_key_may_be_used_anew_after_a_day(user: User) -> None:
    create(user)
    age(hours=23)
    assert create(user, key="k1")["Idempotent-Replayed"] == "true"
    age(hours=25)
    assert "Idempotent-Replayed" not in create(user, body='{"other": 1}')
    assert ApiToken.objects.count() == 2


def test_a_request_lost_with_its_process_frees_its_key_in_a_while(user: User) -> None:
    IdempotentRequest.objects.create(user=user, key="k1", fingerprint=idempotency._fingerprint(request(user), b"{}"))
    age(minutes=1)
    assert refusal(lambda: create(user)) == (409, "request_in_progress")
    age(minutes=3)
    assert create(user).status_code == 201


def test_a_process_that_was_only_slow_undoes_its_work(user: User) -> None:
    with pytest.raises(Refusal), idempotency.once(request(user), user) as served:
        age(minutes=3)
        assert create(user).status_code == 201
        with transaction.atomic():
            served.keep(Answer(201, {"number": make(user).number}))
    assert ApiToken.objects.count() == 1
    assert create(user)["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("key", ["x" * 256, "a\x00b", "ä", "tab\there"])
def test_a_key_is_short_and_printable(user: User, key: str) -> None:
    assert refusal(lambda: create(user, key=key)) == (400, "bad_idempotency_key")
    assert not ApiToken.objects.exists()


def test_the_longest_key_is_taken(user: User) -> None:
    create(user, key="x" * 255)
    assert create(user, key="x" * 255)["Idempotent-Replayed"] == "true"


def test_the_sweep_removes_what_is_old(user: User) -> None:
    create(user)
    age(hours=25)
    create(user, key="k2")
    idempotency.remove_old()
    assert [kept.key for kept in IdempotentRequest.objects.all()] == ["k2"]
