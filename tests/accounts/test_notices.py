"""An email about each change of the ways into an account."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from accounts import tokens
from accounts.models import User
from reports.models import Webhook
from reports.webhooks import management
from tests.accounts import totp
from tests.accounts.conftest import text
from tests.conftest import PASSWORD, MakeUser

pytestmark = pytest.mark.django_db(transaction=True)
EMAIL = "/accounts/email/"
NEW = "ann@new.example.org"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def make_token(client: Client, name: str = "nightly import", **headers: str) -> Any:
    return client.post("/account/tokens/", {"name": name, "scopes": "read write", "days": "90"}, headers=headers)


def test_notice_names_time_place_and_browser_and_what_to_do(user: User, ann: Client, mailoutbox: list[Any]) -> None:
    make_token(ann, **{"User-Agent": FIREFOX})
    [mail] = mailoutbox
    assert mail.to == [user.email]
    assert mail.subject == "[Salesagg] API token made"
    assert "The API token “nightly import” was created." in mail.body
    assert re.search(r"- Time: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", mail.body)
    assert "- IP address: 127.0.0.1" in mail.body
    assert "- Browser: Firefox on Linux" in mail.body
    assert "If it was not you" in mail.body
    assert "http://localhost:8000/account/activity/" in mail.body


def test_links_come_from_the_settings_alone(ann: Client, settings: Any, mailoutbox: list[Any]) -> None:
    settings.SITE_URL = "https://sales.example.com"
    settings.ALLOWED_HOSTS = ["*"]
    ann.post(
        "/account/tokens/",
        {"name": "n", "scopes": "read", "days": ""},
        headers={"Host": "evil.example", "User-Agent": "https://evil.example"},
        SCRIPT_NAME="",
    )
    [mail] = mailoutbox
    assert set(re.findall(r"https?://[^/\s]+", mail.body)) == {"https://sales.example.com"}
    assert "evil" not in mail.body


def test_name_of_a_token_is_no_link(ann: Client, mailoutbox: list[Any]) -> None:
    make_token(ann, "Locked! Go to https://evil.example/a or a@evil.example")
    assert "Locked Go to https evil example a or a evil example" in mailoutbox[0].body


def test_each_change_is_told(user: User, ann: Client, mailoutbox: list[Any]) -> None:
    def told(change: Callable[[], Any]) -> list[str]:
        mailoutbox.clear()
        change()
        assert {address for mail in mailoutbox for address in mail.to} == {user.email}
        return [mail.body.split("\n\n")[2] for mail in mailoutbox]

    webhooks = "/account/webhooks/"
    settings_url = {"url": "https://example.org/hook"}
    make_token(ann)
    [revoked] = told(lambda: ann.post(f"/account/tokens/{user.api_tokens.get().pk}/revoke"))
    assert revoked.startswith("The API token “nightly import” was revoked.")
    webhook = management.create(user, settings_url["url"])
    [renewed] = told(lambda: ann.post(f"{webhooks}{webhook.pk}/secret", follow=True))
    assert renewed.startswith("The secret of a webhook was renewed.")
    # The page that follows shows the new one; a later look at it is told.
    session = ann.session
    session["webhook_secret_shown"] = ["", 0]
    session.save()
    [shown] = told(lambda: [ann.get(f"{webhooks}{webhook.pk}/?secret=shown") for _ in range(2)])
    assert shown == "The secret of a webhook was shown."
    form = {"oldpassword": PASSWORD, "password1": "another long phrase", "password2": "another long phrase"}
    [password] = told(lambda: ann.post("/accounts/password/change/", form))
    assert password == "Your password has been changed."
    secret = re.findall(r'totp-secret">(\w+)<', text(ann.get("/accounts/2fa/totp/activate/")))[0]
    [app] = told(lambda: ann.post("/accounts/2fa/totp/activate/", {"code": totp.code(secret)}))
    assert app == "Authenticator app activated."
    [codes] = told(lambda: ann.post("/accounts/2fa/recovery-codes/generate/"))
    assert "recovery codes" in codes
    [off] = told(lambda: ann.post("/accounts/2fa/totp/deactivate/"))
    assert off == "Authenticator app deactivated."


def test_webhook_made_by_page_or_token_is_told(
    user: User, ann: Client, token: str, settings: Any, mailoutbox: list[Any]
) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    mailoutbox.clear()
    ann.post("/account/webhooks/", {"url": "http://127.0.0.1:9/a"}, follow=True)
    bearer = {"Authorization": f"Bearer {token}"}
    body = {"url": "http://127.0.0.1:9/b"}
    assert Client().post("/api/webhooks", body, content_type="application/json", headers=bearer).status_code == 201
    assert Webhook.objects.count() == 2
    assert [mail.body.split("\n\n")[2][:22] for mail in mailoutbox] == ["A webhook was created."] * 2


def test_changed_address_is_told_to_the_old_one_too(user: User, ann: Client, mailoutbox: list[Any]) -> None:
    old = user.email
    ann.post(EMAIL, {"email": NEW, "action_add": ""})
    added = [mail for mail in mailoutbox if "was added" in mail.body]
    assert [mail.to for mail in added] == [[old]]
    mailoutbox.clear()
    ann.post(EMAIL, {"email": NEW, "action_primary": ""})
    user.refresh_from_db()
    assert user.email == NEW
    assert sorted(mail.to[0] for mail in mailoutbox) == [old, NEW]
    assert all(f"from {old} to {NEW}" in mail.body for mail in mailoutbox)
    mailoutbox.clear()
    ann.post(EMAIL, {"email": old, "action_remove": ""})
    assert sorted(mail.to[0] for mail in mailoutbox) == [old, NEW]


def test_notice_is_in_the_language_of_the_person(user: User, ann: Client, mailoutbox: list[Any]) -> None:
    User.objects.update(language="de")
    form = {"oldpassword": PASSWORD, "password1": "another long phrase", "password2": "another long phrase"}
    ann.post("/accounts/password/change/", form)
    assert "Ihr Passwort wurde geändert." in mailoutbox[0].body


def test_mail_server_that_fails_undoes_nothing(user: User, ann: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert "salesagg_" in text(make_token(ann))
    assert tokens.valid(user).count() == 1


def test_token_of_the_command_line_is_told_without_a_place(user: User, mailoutbox: list[Any]) -> None:
    call_command("create_token", user.email, stdout=io.StringIO())
    [mail] = mailoutbox
    assert "was created" in mail.body
    assert "IP address" not in mail.body


def test_command_prints_the_token_alone_where_mails_go_to_the_console(
    user: User, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    out = io.StringIO()
    call_command("create_token", user.email, stdout=out)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "was created" in printed.err
    assert re.fullmatch(r"salesagg_[\w-]+\n", out.getvalue())


def test_operators_changes_are_told(
    user: User, make_user: MakeUser, client_of: Callable[[User], Client], mailoutbox: list[Any]
) -> None:
    admin = client_of(make_user("root@example.org", is_staff=True, is_superuser=True))
    page = f"/admin/accounts/user/{user.pk}/"
    admin.post(f"{page}password/", {"usable_password": "true", "password1": "x9!kdlsoe", "password2": "x9!kdlsoe"})
    assert [mail.to for mail in mailoutbox] == [["ann@example.org"]]
    mailoutbox.clear()
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    admin.post(f"{page}change/", {"email": NEW, "is_active": "on", **dates})
    assert sorted(mail.to[0] for mail in mailoutbox) == ["ann@example.org", NEW]
    mailoutbox.clear()
    admin.post(f"{page}change/", {"email": NEW, **dates})
    assert ["An operator locked your account" in mail.body for mail in mailoutbox] == [True]
