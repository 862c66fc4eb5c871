"""What every page has in common."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client

from accounts.models import User
from tests.services.processes import ROOT

pytestmark = pytest.mark.django_db

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
}


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/admin/", "/healthz", "/uploads/", "/no-such-page"])
def test_every_answer_has_the_strict_policy(path: str) -> None:
    header = Client().get(path)["Content-Security-Policy"]
    assert {directive.strip() for directive in header.split(";")} == POLICY


def test_a_page_that_is_not_there_says_so_and_leads_back() -> None:
    response = Client().get("/no-such-page")
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()
    assert 'href="/"' in response.content.decode()


def test_an_error_of_ours_is_told_in_a_page_of_its_own(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> HttpResponse:
        raise RuntimeError

    monkeypatch.setattr("reports.sample.sales_csv", broken)
    response = Client(raise_request_exception=False, headers={"Accept": "text/html"}).get("/sample.csv")
    assert response.status_code == 500
    assert "What you uploaded is kept" in response.content.decode()


def test_a_database_that_does_not_answer_is_told_in_a_page_too(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> HttpResponse:
        raise OperationalError

    monkeypatch.setattr("reports.sample.sales_csv", away)
    browser = Client(raise_request_exception=False, headers={"Accept": "text/html"})
    response = browser.get("/sample.csv")
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "The database does not answer. What you uploaded is kept." in response.content.decode()
    program = Client(raise_request_exception=False)
    response = program.get("/sample.csv")
    assert (response.status_code, response.json()["code"]) == (503, "database_away")


def test_a_form_that_was_open_too_long_says_what_to_do(user: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    response = strict.post("/accounts/logout/")
    assert response.status_code == 403
    assert "Reload the page you came from" in response.content.decode()


@pytest.mark.parametrize(
    ("accept", "language", "text"),
    [("de-AT,de;q=0.9", "de", "Diese Seite gibt es nicht"), ("fr", "en", "There is no such page")],
)
def test_pages_are_in_the_language_that_the_browser_asks_for(accept: str, language: str, text: str) -> None:
    page = Client(headers={"Accept-Language": accept}).get("/no-such-page").content.decode()
    assert f'<html lang="{language}">' in page
    assert text in page


@pytest.mark.parametrize("template", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_no_template_has_inline_script_or_style(template: Path) -> None:
    markup = template.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", markup)
