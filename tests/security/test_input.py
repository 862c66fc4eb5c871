"""Names, values and bodies that are meant to be taken for something else: headers, log lines, SQL, markup, code."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client

from accounts import tokens
from accounts.models import User
from reports.models import Customer, Job, Webhook
from salesagg import logs
from tests.conftest import PASSWORD, MakeUpload, b64
from tests.uploads.conftest import Tus
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = b"Department,Date,Sales\nToys,2026-01-02,3\nToys,2026-01-02,x\n"
CUSTOMERS = b"name,email,company\nAda,ada@example.org,Engines\nBob,bob@example.org,Engines\n"
FORGED = "a\r\nSet-Cookie: sessionid=planted\r\n\r\n2026-01-01 INFO root: all is well\x1b[2J\x00\u2028.csv"
INJECTIONS = [
    "' OR 1=1 --",
    '" OR ""="',
    "%' OR '%'='",
    "1; DROP TABLE accounts_user",
    "\\",
    "%",
    "_",
    "\x00",
    "(" * 500,
]


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines as the console has them."""
    formatter, about = logs.LineFormatter(), logs.ContextFilter()
    return [formatter.format(record) for record in caplog.records if about.filter(record)]


def test_a_name_makes_no_header(ann: Client, token: str, finished: Callable[..., Job]) -> None:
    for name in (FORGED, '"; filename="evil.exe', "ü" * 50 + ".csv", "../../../etc/passwd", "a;b,c=d.csv"):
        job = finished(GOOD, name=name)
        for path in (f"/jobs/{job.pk}/result.csv", f"/jobs/{job.pk}/rejected.csv", f"/api/jobs/{job.pk}/result.csv"):
            response = ann.get(path)
            response.close()
            told = response["Content-Disposition"]
            assert told.startswith("attachment; filename")
            assert told.isascii()
            assert told.isprintable()
            assert "/" not in told
            assert "Set-Cookie" not in response.headers


def test_a_name_forges_no_line_of_the_log(
    token: str, finished: Callable[..., Job], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client(headers={"Authorization": f"Bearer {token}"})
    job = finished(GOOD, name=FORGED)
    finished(b"no,columns\n1,2\n", name=FORGED)
    for path in (f"/api/jobs/{job.pk}", f"/api/jobs/{job.pk}/result.csv", "/nothing%0aforged", "/api/%1b[2J"):
        response = client.get(path)
        response.close()
    client.delete(f"/api/jobs/{job.pk}")
    lines = written(caplog)
    assert len(lines) > 3
    assert [line for line in lines if not line.isprintable()] == []


def test_passwords_and_tokens_are_in_no_line_of_the_log(
    user: User, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client(raise_request_exception=False)
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    client.post("/accounts/login/", {"login": user.email, "password": "a wrong secret"})
    client.post("/account/tokens/", {"name": "nightly", "scopes": "read write", "days": ""})
    for header in (f"Bearer {token}", f"Bearer {token}x", f"Basic {token}"):
        Client().get("/api/jobs", headers={"Authorization": header})
        Tus(Client(), token).create(9, Upload_Metadata="bad bad bad")
    # As others might: an error tells what it was about.
    logging.getLogger("accounts").error("refused: %s", {"Authorization": f"Bearer {token}"})
    told = "\n".join(written(caplog))
    assert "refused: " in told
    assert not any(secret in told for secret in (PASSWORD, "a wrong secret", token, client.cookies["sessionid"].value))


def test_an_error_of_ours_shows_nothing_of_us(
    ann: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.STORAGE_URL = "s3://KEY:do-not-tell@bucket"

    def fails(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(settings.STORAGE_URL)

    monkeypatch.setattr("reports.history.history", fails, raising=False)
    monkeypatch.setattr("accounts.holdings.usage", fails)
    ann.raise_request_exception = False
    for path, accept in (("/account/", "text/html"), ("/api/limits", "application/json")):
        response = ann.get(path, headers={"Accept": accept})
        assert response.status_code == 500
        told = response.content.decode()
        assert not any(word in told for word in ("do-not-tell", "Traceback", "RuntimeError", settings.SECRET_KEY))


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_is_searched_for_is_only_text(text: str, ann: Client, token: str, imported: Callable[..., Job]) -> None:
    imported(CUSTOMERS)
    program = Client(headers={"Authorization": f"Bearer {token}"})
    for client, path, names in (
        (ann, "/customers/", ("q", "sort", "page", "job")),
        (ann, "/", ("q", "status", "kind", "page")),
        (program, "/api/customers", ("q", "sort", "cursor", "jobId")),
        (program, "/api/jobs", ("q", "status", "cursor")),
        (program, "/api/files", ("q", "cursor")),
    ):
        for name in names:
            response = client.get(path, {name: text})
            assert response.status_code in (200, 400, 404, 422), (path, name)
    found = program.get("/api/customers", {"q": text})
    # Without the character that no text has, nothing is left to be looked for.
    if found.status_code == 200 and text != "\x00":
        assert found.json()["items"] == []


def test_what_is_not_asked_for_is_not_taken(
    user: User, stranger: User, token: str, imported: Callable[..., Job], settings: Any
) -> None:
    """Nobody gives themselves or others what no field is for."""
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    job = imported(CUSTOMERS)
    customer = Customer.objects.order_by("pk")[0]
    program = Client(headers={"Authorization": f"Bearer {token}"})
    extra = {"owner": stranger.pk, "ownerId": stranger.pk, "id": 1, "status": "completed", "isStaff": True}

    def send(method: str, path: str, body: dict[str, Any]) -> Any:
        return getattr(program, method)(path, json.dumps(body | extra), content_type="application/json")

    answers = [
        send("patch", f"/api/customers/{customer.pk}", {"name": "Ada Byron"}),
        send("post", "/api/webhooks", {"url": "https://example.org/x"}),
        send("post", f"/api/jobs/{job.pk}/again", {}),
    ]
    assert {answer.status_code for answer in answers} == {422}
    described = f"filename {b64('a.csv')},owner {b64(str(stranger.pk))},status {b64('completed')}"
    Tus(Client(), token).create(9, Upload_Metadata=described)
    page = Client()
    page.force_login(user)
    page.post(
        "/account/", {"first_name": "Ann", "language": "", "is_staff": "on", "is_superuser": "on", "email": "x@y.z"}
    )
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser, user.email) == (False, False, "ann@example.org")
    for model in (Job, Upload, Customer, Webhook):
        assert not model.objects.filter(owner=stranger).exists()


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 50_000,
        "9" * 10_000,
        '{"url": 1e999999}',
        "\x00",
        '"\\ud800"',
        '{"email": "\\ud800@example.org", "password": "\\ud800", "refresh_token": "\\ud800"}',
        "{" + '"a":1,' * 50_000 + '"b":2}',
    ],
    ids=["arrays", "objects", "digits", "exponent", "nul", "surrogate", "surrogates", "keys"],
)
@pytest.mark.parametrize(
    "path",
    [
        "/api/webhooks",
        "/api/auth/app/v1/auth/login",
        "/api/auth/app/v1/auth/signup",
        "/api/auth/app/v1/tokens/refresh",
    ],
)
def test_json_that_is_meant_to_break_something_is_refused(path: str, body: str, token: str) -> None:
    client = Client(headers={"Authorization": f"Bearer {token}"})
    response = client.post(path, body, content_type="application/json")
    assert response.status_code in (400, 413, 422)
    assert len(response.content) < 100_000


@pytest.mark.parametrize("field", ["name", "phone", "company", "email"])
def test_half_of_a_surrogate_pair_is_refused(field: str, user: User, token: str) -> None:
    customer = Customer.objects.create(
        owner=user, name="Ada", email="ada@example.org", email_key="ada@example.org", row_number=1, created_at=Now()
    )
    client = Client(headers={"Authorization": f"Bearer {token}"})
    body = json.dumps({field: "\ud800"})
    assert client.patch(f"/api/customers/{customer.pk}", body, "application/json").status_code == 400


@pytest.mark.parametrize(
    "path",
    ["/static/../manage.py", "/static/%2e%2e/manage.py", "/static/..%2fsalesagg/settings.py", "/..%2f..%2fetc/passwd"],
)
def test_no_path_leads_out_of_the_static_files(path: str, db: None) -> None:
    response = Client().get(path)
    assert response.status_code == 404
    assert b"DJANGO_SETTINGS_MODULE" not in response.content


def test_no_name_leads_out_of_the_storage(token: str, make_upload: MakeUpload, files: Any) -> None:
    for name in ("../../../../tmp/evil", "/etc/passwd", "..\\..\\evil", "a/../../b", ".", "..", "\x00"):
        make_upload(GOOD, name=name)
    stored = {path.resolve() for path in files.parent.rglob("*") if path.is_file()}
    assert stored
    assert all(path.is_relative_to(files.resolve()) for path in stored)
    assert not any("evil" in str(path) or "passwd" in str(path) for path in stored)


def test_a_token_in_an_address_opens_nothing(user: User) -> None:
    secret = tokens.issue(user, name="x")
    for query in ({"token": secret}, {"access_token": secret}, {"Authorization": f"Bearer {secret}"}):
        assert Client().get("/api/jobs", query).status_code == 401
