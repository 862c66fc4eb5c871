"""Headers and cookies that tell browsers what not to do, on every kind of answer."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from reports import shares
from reports.models import Job
from tests.services.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = b"Department,Date,Sales\nToys,2026-01-02,3\nToys,2026-01-02,x\n"

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Links that are secrets are not told to the sites that a page leads to either, not even to our own pages.
UNLISTED = EVERYWHERE | {"Referrer-Policy": "no-referrer"}
NOBODY = [
    "/accounts/login/",
    "/healthz",
    "/texts.js",
    "/nothing",
    "/",
    "/api/jobs",
    "/api/nothing",
    "/api/docs",
    "/admin/",
]
PERSON = ["/", "/account/", "/customers/", "/files/", "/api/jobs", "/api/limits", "/uploads/", "/nothing", "/jobs/x/"]
STRICT = ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'")


def check(response: Any, expected: dict[str, str] = EVERYWHERE) -> None:
    assert {name: response.headers.get(name) for name in expected} == expected
    assert response["X-Frame-Options"] == "DENY"
    policy = response["Content-Security-Policy"]
    assert all(part in policy for part in STRICT), policy
    assert "unsafe" not in policy
    assert "camera=()" in response["Permissions-Policy"]


@pytest.mark.parametrize("path", NOBODY)
def test_an_answer_to_nobody_has_them(path: str) -> None:
    check(Client().get(path))


def test_an_answer_to_a_person_has_them_and_is_kept_by_no_browser(ann: Client) -> None:
    for path in PERSON:
        response = ann.get(path)
        check(response)
        # What is asked for again and again may be kept, and is asked about each time.
        assert response.get("Cache-Control", "private").startswith(("private", "no-store", "max-age=0")), path
    for path in ("/", "/account/", "/customers/"):
        assert "no-store" in ann.get(path)["Cache-Control"], path


def test_the_administration_has_them(make_user: Callable[..., User], client_of: Callable[[User], Client]) -> None:
    root = client_of(make_user("root@example.org", is_staff=True, is_superuser=True))
    for path in ("/admin/", "/admin/reports/job/", "/admin/accounts/user/add/", "/admin/accounts/auditentry/"):
        check(root.get(path))


def test_downloads_and_shared_reports_have_them(ann: Client, finished: Callable[..., Job]) -> None:
    job = finished(GOOD)
    for path in ("result.csv", "result.xlsx", "rejected.csv"):
        response = ann.get(f"/jobs/{job.pk}/{path}")
        response.close()
        check(response)
        assert response["Content-Disposition"].startswith("attachment")
        assert "no-store" in response["Cache-Control"]
    check(Client().get(f"/shared/{shares.token(shares.create(job, days=1))}/"), UNLISTED)


def test_refusals_have_them(ann: Client) -> None:
    check(Client(enforce_csrf_checks=True).post("/accounts/login/"))
    check(ann.post("/texts.js/nothing"))
    check(Client().post("/uploads/", headers={"Tus-Resumable": "1.0.0", "Authorization": "Bearer x"}))


def test_static_files_are_for_our_own_pages(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "some.js").write_text("export {};")
    settings.STATIC_ROOT = tmp_path
    response = Client().get("/static/some.js")
    assert {name: response.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    assert "Access-Control-Allow-Origin" not in response.headers
    response.close()


async def test_calls_of_browsers_have_them_too() -> None:
    from salesagg.asgi import application

    sent: list[Any] = []
    headers = [(b"host", b"localhost"), (b"content-type", b"application/grpc-web+proto")]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/sales.v1.SalesService/GetJobStatus",
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.1", 1),
        "scheme": "http",
        "root_path": "",
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    told = {name.decode().title(): value.decode() for name, value in sent[0]["headers"]}
    assert {name: told.get(name) for name in EVERYWHERE} == EVERYWHERE


SECURE = """
import django, json
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
call_command("check", deploy=True, fail_level="INFO")
plain = Client().get("/accounts/login/", headers={"host": "localhost"})
browser = Client(headers={"host": "localhost"})
browser.post("/accounts/signup/", {"email": "a@example.org", "password1": "correct horse battery",
  "password2": "correct horse battery"}, secure=True)
page = browser.get("/account/", secure=True)
print(json.dumps({"plain": plain["Location"], "headers": dict(page.headers), "status": page.status_code,
  "cookies": {name: {each: cookie[each] for each in ("secure", "httponly", "samesite", "path", "domain")}
  for name, cookie in browser.cookies.items()}}))
"""


def test_by_https_all_is_https_and_the_framework_finds_nothing_to_say(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "HTTPS": "true", "SECRET_KEY": "0123456789abcdef" * 4}
    run = [sys.executable, "-c", SECURE]
    done = subprocess.run(
        run, env={**env, "DJANGO_SETTINGS_MODULE": "salesagg.settings"}, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["plain"] == "https://localhost/accounts/login/"
    assert told["status"] == 200
    assert told["headers"]["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert "upgrade-insecure-requests" in told["headers"]["Content-Security-Policy"]
    cookies = told["cookies"]
    assert {"__Host-sessionid", "__Host-csrftoken"} <= set(cookies)
    for name in ("__Host-sessionid", "__Host-csrftoken"):
        assert cookies[name] == {"secure": True, "httponly": True, "samesite": "Lax", "path": "/", "domain": ""}


def test_cookies_are_for_no_script_and_no_other_site(user: User) -> None:
    client = Client()
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": user.email, "password": "correct horse battery"})
    assert set(client.cookies) <= {"sessionid", "csrftoken", "messages"}
    for cookie in client.cookies.values():
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
