"""Changing and resetting a password."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
NEW = "another long phrase"


def test_a_password_is_changed_by_who_knows_it(user: User, ann: Client) -> None:
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    ann.post("/accounts/password/change/", form | {"oldpassword": "wrong"})
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    ann.post("/accounts/password/change/", form)
    user.refresh_from_db()
    assert user.check_password(NEW)


def test_a_forgotten_password_is_reset_by_a_link_in_an_email(user: User, mailoutbox: list[Any]) -> None:
    client = Client()
    client.post("/accounts/password/reset/", {"email": user.email})
    [mail] = mailoutbox
    link = re.search(r"http://localhost:8000(\S+)", mail.body)
    assert mail.to == [user.email]
    assert link
    page = client.get(link[1], follow=True)
    form_url = page.redirect_chain[-1][0]
    client.post(form_url, {"password1": NEW, "password2": NEW})
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert "This link does not work any more" in Client().get(link[1], follow=True).content.decode()


def test_resetting_does_not_tell_whether_an_address_is_known(user: User, mailoutbox: list[Any]) -> None:
    known = Client().post("/accounts/password/reset/", {"email": user.email}, follow=True)
    unknown = Client().post("/accounts/password/reset/", {"email": "nobody@example.org"}, follow=True)
    assert known.redirect_chain == unknown.redirect_chain
    assert re.sub(r"\S+@\S+", "", known.content.decode()) == re.sub(r"\S+@\S+", "", unknown.content.decode())
