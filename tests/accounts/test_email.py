"""One's e-mail addresses."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.accounts.conftest import text
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
EMAIL = "/accounts/email/"
NEW = "ann@new.example.org"


def test_a_new_address_is_added_confirmed_and_made_primary(user: User, ann: Client, mailoutbox: list[Any]) -> None:
    ann.get(EMAIL)
    page = text(ann.post(EMAIL, {"email": NEW, "action_add": ""}, follow=True))
    assert NEW in page
    assert "Not confirmed" in page
    [mail] = mailoutbox
    link = re.search(r"http://localhost:8000(\S+)", mail.body)
    assert mail.to == [NEW]
    assert link
    assert f"<strong>{NEW}</strong>" in text(ann.get(link[1]))
    ann.post(link[1])
    ann.post(EMAIL, {"email": NEW, "action_primary": ""})
    user.refresh_from_db()
    assert user.email == NEW
    client = Client()
    client.post("/accounts/login/", {"login": NEW, "password": PASSWORD})
    assert client.get("/account/").status_code == 200


def test_an_address_of_somebody_else_is_refused(user: User, stranger: User, ann: Client) -> None:
    page = text(ann.post(EMAIL, {"email": stranger.email, "action_add": ""}))
    assert 'class="field-error"' in page
    assert stranger.email not in text(ann.get(EMAIL))


def test_the_primary_address_cannot_be_removed(user: User, ann: Client) -> None:
    ann.get(EMAIL)
    assert "action_remove" not in text(ann.get(EMAIL))
    ann.post(EMAIL, {"email": user.email, "action_remove": ""})
    assert user.email in text(ann.get(EMAIL))


def test_a_link_that_is_none_says_so(ann: Client) -> None:
    assert "This link does not work any more" in text(ann.get("/accounts/confirm-email/nonsense/"))
