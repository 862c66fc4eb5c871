"""The profile."""

import pytest
from django.test import Client

from accounts.models import User
from tests.accounts.conftest import text
from tests.conftest import MakeUpload

pytestmark = pytest.mark.django_db
FORM = {"first_name": "Ann", "last_name": "Olsen", "language": "", "email_when_done": "on"}


def test_a_person_says_who_they_are_and_what_they_want(user: User, ann: Client) -> None:
    response = ann.post("/account/", FORM, follow=True)
    user.refresh_from_db()
    assert (user.first_name, user.last_name, user.email_when_done) == ("Ann", "Olsen", True)
    assert "Your profile has been saved." in text(response)
    ann.post("/account/", FORM | {"email_when_done": ""})
    user.refresh_from_db()
    assert not user.email_when_done


def test_the_chosen_language_goes_before_the_browsers(user: User, ann: Client) -> None:
    german = {"Accept-Language": "de"}
    assert '<html lang="de"' in text(ann.get("/account/", headers=german))
    ann.post("/account/", FORM | {"language": "en"})
    assert '<html lang="en"' in text(ann.get("/account/", headers=german))
    ann.post("/account/", FORM)
    assert '<html lang="de"' in text(ann.get("/account/", headers=german))


@pytest.mark.parametrize("change", [{"language": "tlh"}, {"first_name": "A" * 151}])
def test_what_cannot_be_is_refused(user: User, ann: Client, change: dict[str, str]) -> None:
    response = ann.post("/account/", FORM | change)
    assert 'class="field-error"' in text(response)
    user.refresh_from_db()
    assert user.first_name == ""


def test_only_the_profile_is_changed(user: User, stranger: User, ann: Client) -> None:
    ann.post("/account/", FORM | {"is_staff": "on", "email": "boss@example.org", "password": "x"})
    before = (user.email, user.password, user.is_staff)
    user.refresh_from_db()
    assert (user.email, user.password, user.is_staff) == before
    stranger.refresh_from_db()
    assert stranger.first_name == ""


def test_storage_is_shown_in_the_readers_numbers(
    user: User, ann: Client, make_upload: MakeUpload, stranger: User, settings: object
) -> None:
    settings.QUOTA_BYTES = 8_000_000  # type: ignore[attr-defined]
    make_upload(b"x" * 1_234_567)
    make_upload(b"x" * 2_000_000, owner=stranger)
    page = text(ann.get("/account/"))
    assert 'max="8000000" value="1234567"' in page
    assert "1.2 MB of 8 MB used" in page
    assert "1,2 MB" in text(ann.get("/account/", headers={"Accept-Language": "de"}))
