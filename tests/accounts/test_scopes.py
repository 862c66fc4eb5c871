"""What a token may be used for: a program that may only read changes nothing, wherever it calls."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import ApiToken, User
from salesagg.api import api
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
TUS = {"Tus-Resumable": "1.0.0"}
Call = Callable[..., Any]


@pytest.fixture
def reader(user: User) -> str:
    return tokens.issue(user, name="reader", scopes=ApiToken.Scopes.READ)


@pytest.fixture
def call() -> Call:
    """call(token, method, path, **headers) -> the answer, to a client that would have to send a CSRF token."""

    def make(token: str, method: str, path: str, **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {token}"} | TUS | headers
        return Client(enforce_csrf_checks=True).generic(method, path, headers=sent)

    return make


def test_a_reader_reads(reader: str, call: Call, make_upload: Any) -> None:
    upload = make_upload(b"Department,Sales\nToys,1\n")
    path = f"/uploads/{upload.pk}/"
    assert call(reader, "HEAD", path).status_code == 200
    assert call(reader, "OPTIONS", "/uploads/").status_code == 204
    assert call(reader, "GET", "/api/jobs").status_code == 200
    assert call(reader, "HEAD", "/api/jobs").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/uploads/", {"Upload-Length": "5"}),
        ("PATCH", "/uploads/{id}/", {"Upload-Offset": "0"}),
        ("DELETE", "/uploads/{id}/", {}),
        ("POST", "/uploads/{id}/", {"X-HTTP-Method-Override": "DELETE"}),
        ("POST", "/uploads/{id}/", {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"}),
    ],
)
def test_a_reader_changes_no_upload(
    reader: str, token: str, call: Call, make_upload: Any, method: str, path: str, headers: dict[str, str]
) -> None:
    upload = make_upload(b"Department,Sales\nToys,1\n", chunk=10, whole=False)
    answer = call(reader, method, path.format(id=upload.pk), **headers)
    assert answer.status_code == 403
    assert answer.json()["code"] == "insufficient_scope"
    assert answer["WWW-Authenticate"] == 'Bearer realm="salesagg", error="insufficient_scope", scope="write"'
    assert Upload.objects.get().state == Upload.State.RECEIVING
    assert call(token, method, path.format(id=upload.pk), **headers).status_code != 403


def test_a_safe_methods_override_needs_what_it_is_sent_as(reader: str, call: Call, make_upload: Any) -> None:
    upload = make_upload(b"Department,Sales\nToys,1\n")
    answer = call(reader, "HEAD", f"/uploads/{upload.pk}/", **{"X-HTTP-Method-Override": "DELETE"})
    assert answer.status_code == 200
    assert Upload.objects.get().state == Upload.State.COMPLETE


def test_a_reader_changes_nothing_in_the_api(reader: str, call: Call) -> None:
    changing = [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
        if method != "get"
    ]
    for method, path in changing:
        for name in ("job_id", "file_key", "webhook_id", "delivery_id", "share_id"):
            path = path.replace(name, str(uuid.uuid4()))
        path = path.replace("customer_id", "1")
        answer = call(reader, method, path)
        assert answer.json()["code"] == "insufficient_scope", (method, path)


def test_a_session_that_came_along_does_not_help(reader: str, ann: Client) -> None:
    answer = ann.post("/uploads/", headers={"Authorization": f"Bearer {reader}", "Upload-Length": "5"} | TUS)
    assert answer.status_code == 403
    assert ann.get("/api/jobs", headers={"Authorization": "Bearer wrong"}).status_code == 401
