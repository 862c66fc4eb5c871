"""What all of the API has in common: refusals, conditional requests, HEAD, and sessions beside tokens."""

import json
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from asgiref.sync import sync_to_async
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.test import AsyncClient, Client, RequestFactory

from accounts.api.auth import SessionAuth
from accounts.errors import Refusal
from accounts.middleware import HeadMiddleware
from accounts.models import User
from accounts.streaming import attachment
from reports.models import Job
from salesagg import limits
from salesagg.api import api as root

pytestmark = pytest.mark.django_db(transaction=True)
DATA = b"Department Name,Date,Number of Sales\nToys,2024-01-01,3\n"
JSON = "application/json"


@pytest.fixture
def api(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def tab(user: User) -> Client:
    """A page that is open in the browser of `user`, where CSRF is checked."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.get("/account/")
    return client


def csrf(tab: Client) -> dict[str, str]:
    return {"X-CSRFToken": tab.cookies["csrftoken"].value}


def problem(response: Any) -> tuple[int, str]:
    """The status and the code of a refusal, which has all that a refusal has."""
    told = response.json()
    assert response["Content-Type"] == "application/problem+json"
    assert response["Cache-Control"] == "no-store"
    assert told["status"] == response.status_code
    assert told["detail"]
    return response.status_code, told["code"]


# --- Refusals


def test_what_cannot_be_read_is_refused(api: Client) -> None:
    path = f"/api/files/{uuid.uuid4()}/process"
    for body in (b"{", b"\xff\xfe", b"nonsense"):
        assert problem(api.post(path, body, content_type=JSON)) == (400, "bad_request")


def test_json_that_is_too_large_is_refused(api: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    path = f"/api/files/{uuid.uuid4()}/process"
    assert problem(api.post(path, json.dumps({"x": "x" * 100}), content_type=JSON)) == (413, "body_too_large")


def test_nobody_is_told_to_bring_a_token() -> None:
    response = Client().get("/api/jobs")
    assert problem(response) == (401, "unauthorized")
    assert response["WWW-Authenticate"] == 'Bearer realm="salesagg"'


@pytest.mark.parametrize("path", ["/api/", "/api/nothing", "/api/jobs/nothing", "/api/auth/", "/api/jobs/"])
def test_an_address_that_is_none_says_so(api: Client, path: str) -> None:
    assert problem(api.get(path)) == (404, "not_found")
    assert problem(api.post(path, headers={"Accept": "text/html"})) == (404, "not_found")


def test_what_does_not_exist_says_so(api: Client) -> None:
    assert problem(api.get(f"/api/jobs/{uuid.uuid4()}")) == (404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_a_method_that_is_not_there_says_which_are(api: Client, method: str) -> None:
    response = api.generic(method, "/api/jobs")
    assert problem(response) == (405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD"


def test_what_is_not_as_described_says_where(api: Client) -> None:
    response = api.get("/api/jobs?limit=0&status=done&cursor=" + "x" * 201)
    assert problem(response) == (422, "invalid_request")
    assert [error["field"] for error in response.json()["errors"]] == ["query.limit", "query.cursor", "query.status.0"]
    assert all(error["detail"] for error in response.json()["errors"])


def test_a_misspelt_name_is_refused(api: Client) -> None:
    body = {"amount": True, "columns": {"department": 5}}
    response = api.post(f"/api/files/{uuid.uuid4()}/process", body, content_type=JSON)
    assert problem(response) == (422, "invalid_request")
    assert {error["field"] for error in response.json()["errors"]} == {"body.amount", "body.columns.department"}


def test_an_error_of_ours_is_told_without_a_word_of_it(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(user: User) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(limits, "limits_of", broken)
    client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})
    response = client.get("/api/limits")
    assert problem(response) == (500, "server_error")
    assert "a secret" not in response.content.decode()


def test_people_are_told_in_their_language_and_programs_by_code(api: Client) -> None:
    response = api.get("/api/nothing", headers={"Accept-Language": "de"})
    assert problem(response) == (404, "not_found")
    assert response["Content-Language"] == "de"


@pytest.mark.parametrize(("path", "expected"), [("jobs", (401, "unauthorized")), ("nothing", (404, "not_found"))])
def test_error_is_a_problem_also_for_a_browser(path: str, expected: tuple[int, str]) -> None:
    assert problem(Client().get(f"/api/{path}", headers={"Accept": "text/html,*/*"})) == expected


# --- Conditional requests and HEAD


def test_what_has_not_changed_is_not_sent_again(api: Client, make_job: Callable[..., Job]) -> None:
    first = api.get("/api/jobs")
    assert first["Cache-Control"] == "private, no-cache"
    again = api.get("/api/jobs", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    make_job(DATA)
    changed = api.get("/api/jobs", headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_head_tells_what_get_would_send(api: Client) -> None:
    told, sent = api.head("/api/jobs"), api.get("/api/jobs")
    assert (told.status_code, told.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control"):
        assert told[name] == sent[name]
    assert api.head("/api/jobs", headers={"If-None-Match": sent["ETag"]}).status_code == 304


def test_head_is_refused_as_get_is(api: Client) -> None:
    assert Client().head("/api/jobs").status_code == 401
    assert api.head(f"/api/jobs/{uuid.uuid4()}").status_code == 404
    assert api.head("/api/nothing").status_code == 404
    assert api.head(f"/api/files/{uuid.uuid4()}/process").status_code == 405


async def test_head_of_a_download_is_answered_too(token: str, finished: Callable[..., Job]) -> None:
    job = await sync_to_async(finished)(DATA)
    headers = {"Authorization": f"Bearer {token}"}
    told = (await AsyncClient().get(f"/api/jobs/{job.pk}", headers=headers)).json()
    path = urlsplit(told["downloadUrls"]["csv"]).path
    head = await AsyncClient().head(path)
    assert head.status_code == 200
    assert head["Content-Type"].startswith("text/csv")
    head.close()
    sent = await AsyncClient().get(path)
    assert b"Toys,3" in b"".join([piece async for piece in sent.streaming_content])  # type: ignore[attr-defined]


async def test_a_stream_that_only_its_head_is_wanted_of_is_closed_unread() -> None:
    class File:
        closed = False

        def read(self, size: int = -1) -> bytes:
            raise AssertionError("read")

        def close(self) -> None:
            self.closed = True

    file = File()
    made = attachment(file, size=5, filename="a.csv", content_type="text/csv")
    response = HeadMiddleware(lambda request: made)(RequestFactory().head("/api/x"))
    assert response["Content-Length"] == "5"
    assert [piece async for piece in response.streaming_content] == []  # type: ignore[attr-defined]
    response.close()
    assert file.closed


# --- Sessions


def test_a_page_reads_without_a_csrf_token(tab: Client) -> None:
    assert tab.get("/api/jobs").status_code == 200
    assert tab.head("/api/jobs").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/jobs/{id}/cancel"), ("DELETE", "/api/jobs/{id}"), ("POST", "/api/files/{id}/process")],
)
def test_a_change_by_a_page_needs_the_csrf_header(tab: Client, method: str, path: str) -> None:
    path = path.format(id=uuid.uuid4())
    assert problem(tab.generic(method, path)) == (403, "csrf_failed")
    assert problem(tab.generic(method, path, headers={"X-CSRFToken": "x" * 32})) == (403, "csrf_failed")
    assert problem(tab.generic(method, path, headers=csrf(tab))) == (404, "not_found")


def test_another_sites_page_is_refused(tab: Client) -> None:
    headers = csrf(tab) | {"Origin": "https://evil.example"}
    assert problem(tab.delete(f"/api/jobs/{uuid.uuid4()}", headers=headers)) == (403, "csrf_failed")


def test_the_token_in_a_body_is_not_looked_for(tab: Client) -> None:
    path = f"/api/jobs/{uuid.uuid4()}/cancel"
    body = {"csrfmiddlewaretoken": tab.cookies["csrftoken"].value}
    assert problem(tab.post(path, body)) == (403, "csrf_failed")


def test_no_body_is_read_to_let_a_page_in(user: User, tab: Client) -> None:
    def asked(**headers: str) -> HttpRequest:
        body = {"file": SimpleUploadedFile("sales.csv", DATA)}
        request = RequestFactory().post("/api/jobs/upload", body, headers=headers)
        request.user = user
        request.COOKIES["csrftoken"] = tab.cookies["csrftoken"].value
        return request

    refused, let_in = asked(), asked(**csrf(tab))
    with pytest.raises(Refusal):
        SessionAuth()(refused)
    assert SessionAuth()(let_in)
    for request in (refused, let_in):
        assert request.method == "POST"
        assert request.read(2) == b"--"


def test_who_brings_a_token_is_judged_by_it_alone(tab: Client, user: User, stranger: User, token: str) -> None:
    assert tab.get("/api/jobs", headers={"Authorization": "Bearer wrong"}).status_code == 401
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(stranger)
    path = f"/api/jobs/{uuid.uuid4()}/cancel"
    assert problem(browser.post(path, headers={"Authorization": f"Bearer {token}"})) == (404, "not_found")


def test_a_locked_out_persons_session_is_refused(tab: Client) -> None:
    User.objects.update(is_active=False)
    assert problem(tab.get("/api/jobs")) == (401, "unauthorized")


def test_a_time_is_told_to_the_microsecond_and_the_same_everywhere(api: Client, finished: Callable[..., Job]) -> None:
    job = finished(DATA)
    listed = api.get("/api/jobs").json()["items"][0]
    assert datetime.fromisoformat(listed["createdAt"]) == job.created_at
    made = api.post(f"/api/jobs/{job.pk}/again", {}, content_type=JSON).json()
    assert api.get(f"/api/jobs/{made['jobId']}").json()["createdAt"] == made["createdAt"]
    # So that who goes on from the last job that they know does not get it again.
    between = {"createdAfter": listed["createdAt"], "createdBefore": made["createdAt"]}
    assert api.get("/api/jobs", between).json()["items"] == []


def test_the_description_says_where_an_answer_may_be_unchanged() -> None:
    paths = root.get_openapi_schema()["paths"]
    assert "304" in paths["/api/jobs"]["get"]["responses"]
    assert "304" not in paths["/api/jobs/{job_id}/stream"]["get"]["responses"]


def test_a_number_is_no_truth_value(api: Client, finished: Callable[..., Job]) -> None:
    refused = api.post(f"/api/jobs/{finished(DATA).pk}/again", {"amounts": 1}, content_type=JSON)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body.amounts")
