"""Webhooks over the API."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import ApiToken, IdempotentRequest, User
from reports.models import Delivery, Webhook
from reports.webhooks import management, outbox, sending
from tests.reports.webhooks.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)
HOOKS = "/api/webhooks"
Call = Callable[..., Any]


def caller(token: str) -> Call:
    """call(method, path, body) -> the response."""

    def call(method: str, path: str, body: Any = None, **headers: str) -> Any:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        content = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(Client(), method)(path, **content, headers={"Authorization": f"Bearer {token}", **headers})

    return call


@pytest.fixture
def call(token: str) -> Call:
    return caller(token)


@pytest.fixture
def stranger_calls(stranger: User) -> Call:
    return caller(tokens.issue(stranger, name="tests"))


def test_a_webhook_is_made_and_its_secret_told_once(call: Call, user: User, receiver: Receiver) -> None:
    response = call("post", HOOKS, {"url": receiver.url})
    assert response.status_code == 201
    made = response.json()
    webhook = Webhook.objects.get()
    assert (made["id"], made["url"], made["enabled"]) == (str(webhook.pk), receiver.url, True)
    assert made["secret"] == webhook.secret
    assert webhook.owner == user
    assert response["Location"] == f"{HOOKS}/{webhook.pk}"
    seen = call("get", f"{HOOKS}/{webhook.pk}").json()
    assert set(seen) == set(made) - {"secret"}
    assert {name: seen[name] for name in ("id", "url", "enabled")} == {
        "id": made["id"],
        "url": receiver.url,
        "enabled": True,
    }
    assert call("get", HOOKS).json() == {"items": [seen], "next": None}


def test_asked_twice_with_one_key_one_is_made(call: Call, receiver: Receiver) -> None:
    first = call("post", HOOKS, {"url": receiver.url}, Idempotency_Key="one")
    again = call("post", HOOKS, {"url": receiver.url}, Idempotency_Key="one")
    assert again.status_code == 201
    assert again.json() == first.json()
    assert Webhook.objects.count() == 1
    # The kept answer shows the secret only to whoever has the secret key.
    assert Webhook.objects.get().secret not in json.dumps(IdempotentRequest.objects.get().answer)


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("ftp://example.org/", 400, "bad_url"),
        ("http://user@93.184.215.14/", 400, "bad_url"),
        ("http://127.0.0.1/", 400, "private_address"),
        ("http://93.184.215.14/\0", 400, "bad_url"),
        (f"http://93.184.215.14/{'x' * 500}", 422, "invalid_request"),
        (None, 422, "invalid_request"),
    ],
)
def test_an_address_that_cannot_be_is_refused(
    call: Call, webhook: Webhook, settings: Any, url: str | None, status: int, code: str
) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = False
    response = call("post", HOOKS, {"url": url})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert Webhook.objects.count() == 1
    if url is not None:
        response = call("patch", f"{HOOKS}/{webhook.pk}", {"url": url})
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert Webhook.objects.get().url == webhook.url


def test_an_address_is_taken_once_and_no_more_than_ten(call: Call, stranger: User) -> None:
    management.create(stranger, "http://127.0.0.1:9/theirs")
    for number in range(management.MAX_WEBHOOKS):
        assert call("post", HOOKS, {"url": f"http://127.0.0.1:9/{number}"}).status_code == 201
    response = call("post", HOOKS, {"url": "http://127.0.0.1:9/0"})
    assert (response.status_code, response.json()["code"]) == (409, "webhook_exists")
    response = call("post", HOOKS, {"url": "http://127.0.0.1:9/11"})
    assert (response.status_code, response.json()["code"]) == (409, "too_many_webhooks")
    assert "10 webhooks" in response.json()["detail"]


def test_it_is_moved_switched_off_and_on_and_deleted(call: Call, webhook: Webhook, user: User) -> None:
    path = f"{HOOKS}/{webhook.pk}"
    moved = call("patch", path, {"url": "http://127.0.0.1:9/new"}).json()
    assert (moved["url"], moved["enabled"]) == ("http://127.0.0.1:9/new", True)
    off = call("patch", path, {"enabled": False}).json()
    assert (off["url"], off["enabled"]) == ("http://127.0.0.1:9/new", False)
    assert off["disabledAt"] is not None
    assert call("patch", path, {}).json() == off
    assert call("patch", path, {"enabled": False}).json()["disabledAt"] == off["disabledAt"]
    on = call("patch", path, {"enabled": True}).json()
    assert (on["enabled"], on["disabledAt"]) == (True, None)
    management.create(user, "http://127.0.0.1:9/other")
    response = call("patch", path, {"url": "http://127.0.0.1:9/other"})
    assert (response.status_code, response.json()["code"]) == (409, "webhook_exists")
    assert call("patch", path, {"url": "http://127.0.0.1:9/new"}).status_code == 200
    assert call("delete", path).status_code == 204
    assert call("delete", path).status_code == 404
    assert not Webhook.objects.filter(pk=webhook.pk).exists()


def test_a_secret_is_renewed(call: Call, webhook: Webhook) -> None:
    renewed = call("post", f"{HOOKS}/{webhook.pk}/secret").json()
    assert renewed["secret"] != webhook.secret
    webhook.refresh_from_db()
    assert renewed["secret"] == webhook.secret


def test_a_test_is_sent_one_at_a_time(call: Call, webhook: Webhook, receiver: Receiver) -> None:
    path = f"{HOOKS}/{webhook.pk}/test"
    response = call("post", path)
    assert response.status_code == 201
    told = response.json()
    assert (told["event"], told["state"], told["attempts"], told["jobId"]) == ("test", "pending", 0, None)
    response = call("post", path)
    assert (response.status_code, response.json()["code"]) == (409, "test_pending")
    sending.attempt(uuid.UUID(told["id"]))
    assert receiver.next().body.decode() == told["body"]
    assert call("post", path).status_code == 201


def test_the_log_tells_how_each_message_fared(call: Call, webhook: Webhook, receiver: Receiver) -> None:
    receiver.replies = [500, 200]
    for message in [outbox.write_test(webhook) for _ in range(3)][:2]:
        sending.attempt(message.pk)
    log = f"{HOOKS}/{webhook.pk}/deliveries"
    waiting, delivered, failing = call("get", log).json()["items"]
    assert (failing["state"], failing["statusCode"], failing["error"], failing["attempts"]) == (
        "pending",
        500,
        "The receiver answered 500.",
        1,
    )
    assert (delivered["state"], delivered["statusCode"], delivered["error"]) == ("delivered", 200, None)
    assert delivered["nextAttemptAt"] is None
    assert (waiting["state"], waiting["statusCode"], waiting["attempts"]) == ("pending", None, 0)
    first = call("get", f"{log}?limit=2").json()
    assert first["items"] == [waiting, delivered]
    assert call("get", f"{log}?limit=2&cursor={first['next']}").json() == {"items": [failing], "next": None}
    assert call("get", f"{log}?cursor=nonsense").json()["code"] == "bad_cursor"


def test_a_message_is_sent_again_with_its_id(call: Call, webhook: Webhook, receiver: Receiver) -> None:
    message = outbox.write_test(webhook)
    sending.attempt(message.pk)
    first = receiver.next()
    path = f"{HOOKS}/{webhook.pk}/deliveries/{message.pk}/redeliver"
    told = call("post", path).json()
    assert (told["id"], told["state"], told["attempts"], told["statusCode"]) == (str(message.pk), "pending", 0, None)
    sending.attempt(message.pk)
    again = receiver.next()
    assert (again.id, again.body) == (first.id, first.body)
    management.switch(webhook, on=False)
    response = call("post", path)
    assert (response.status_code, response.json()["code"]) == (409, "webhook_disabled")
    response = call("post", f"{HOOKS}/{webhook.pk}/test")
    assert (response.status_code, response.json()["code"]) == (409, "webhook_disabled")


def test_somebody_elses_webhook_looks_like_none(
    call: Call, stranger_calls: Call, webhook: Webhook, message: Delivery, stranger: User
) -> None:
    theirs = management.create(stranger, "http://127.0.0.1:9/theirs")
    own = f"{HOOKS}/{webhook.pk}"
    operations = [
        ("get", own, None),
        ("patch", own, {"enabled": False}),
        ("delete", own, None),
        ("post", f"{own}/secret", None),
        ("post", f"{own}/test", None),
        ("get", f"{own}/deliveries", None),
        ("post", f"{own}/deliveries/{message.pk}/redeliver", None),
        ("post", f"{HOOKS}/{theirs.pk}/deliveries/{message.pk}/redeliver", None),
    ]
    for method, path, body in operations:
        response = stranger_calls(method, path, body)
        assert (response.status_code, response.json()["code"]) == (404, "not_found"), (method, path)
        other = path.replace(str(webhook.pk), str(uuid.uuid4())).replace(str(theirs.pk), str(uuid.uuid4()))
        assert call(method, other, body).status_code == 404
    assert stranger_calls("get", HOOKS).json()["items"] == [stranger_calls("get", f"{HOOKS}/{theirs.pk}").json()]
    webhook.refresh_from_db()
    assert webhook.disabled_at is None


def test_without_a_token_or_with_one_that_may_only_read_nothing_is_done(
    user: User, webhook: Webhook, message: Delivery
) -> None:
    own = f"{HOOKS}/{webhook.pk}"
    reader = caller(tokens.issue(user, name="reader", scopes=ApiToken.Scopes.READ))
    for method, path in [
        ("post", HOOKS),
        ("patch", own),
        ("delete", own),
        ("post", f"{own}/secret"),
        ("post", f"{own}/test"),
        ("post", f"{own}/deliveries/{message.pk}/redeliver"),
    ]:
        assert getattr(Client(), method)(path).status_code == 401
        assert reader(method, path, {}).status_code == 403
    for path in (HOOKS, own, f"{own}/deliveries"):
        assert Client().get(path).status_code == 401
        response = reader("get", path)
        assert response.status_code == 200
        assert webhook.secret not in response.content.decode()


def test_other_methods_are_none_of_it(call: Call, webhook: Webhook) -> None:
    assert call("put", f"{HOOKS}/{webhook.pk}", {"url": "http://127.0.0.1:9/"}).status_code == 405
    assert call("get", f"{HOOKS}/{webhook.pk}/test").status_code == 405
