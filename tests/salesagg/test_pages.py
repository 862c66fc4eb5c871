"""What every page has in common."""

import re
from pathlib import Path

import pytest
from django.test import Client

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


@pytest.mark.parametrize("template", sorted((ROOT / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_no_template_has_inline_script_or_style(template: Path) -> None:
    markup = template.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", markup)
