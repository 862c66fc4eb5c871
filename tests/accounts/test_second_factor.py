"""The second factor: authenticator apps and recovery codes, and every way in asks for it."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import AsyncClient, Client

from accounts import deletion, second_factor
from accounts.acts import Act
from accounts.models import AuditEntry, User
from tests.accounts import totp
from tests.accounts.conftest import text
from tests.conftest import PASSWORD, MakeUser

pytestmark = pytest.mark.django_db(transaction=True)
ACTIVATE = "/accounts/2fa/totp/activate/"
AUTHENTICATE = "/accounts/2fa/authenticate/"
API = "/api/auth/app/v1/auth"


def set_up(client: Client) -> str:
    """Set up an app as a person does; returns its key."""
    found = re.search(r'<code class="totp-secret">(\w+)</code>', text(client.get(ACTIVATE)))
    assert found
    response = client.post(ACTIVATE, {"code": totp.code(found[1])})
    assert response["Location"] == "/accounts/2fa/recovery-codes/"
    return found[1]


def log_in(user: User, **data: str) -> Client:
    """A browser in which the password has been entered."""
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD, **data})
    return client


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


@pytest.fixture
def secret(ann: Client) -> str:
    """The key of the app that `user` has."""
    return set_up(ann)


@pytest.fixture
def codes(ann: Client, secret: str) -> list[str]:
    return re.findall(r"\b\d{8}\b", text(ann.get("/accounts/2fa/recovery-codes/")))


def test_login_needs_the_code_of_the_app(user: User, secret: str) -> None:
    client = log_in(user)
    assert not is_in(client)
    page = text(client.get(AUTHENTICATE))
    assert 'autocomplete="one-time-code"' in page
    assert 'inputmode="numeric"' in page
    assert "autofocus" in page
    assert "Incorrect code" in text(client.post(AUTHENTICATE, {"code": "000000"}))
    assert not is_in(client)
    assert client.post(AUTHENTICATE, {"code": totp.code(secret, steps=1)})["Location"] == "/"
    assert is_in(client)


def test_login_returns_to_the_page_that_was_asked_for(user: User, secret: str) -> None:
    client = log_in(user, next="/account/activity/")
    assert client.post(AUTHENTICATE, {"code": totp.code(secret, steps=1)})["Location"] == "/account/activity/"


def test_code_works_once(user: User, secret: str) -> None:
    code = totp.code(secret, steps=1)
    log_in(user).post(AUTHENTICATE, {"code": code})
    second = log_in(user)
    assert "Incorrect code" in text(second.post(AUTHENTICATE, {"code": code}))
    assert not is_in(second)


def test_code_that_set_the_app_up_opens_nothing(user: User, ann: Client) -> None:
    found = re.search(r'<code class="totp-secret">(\w+)</code>', text(ann.get(ACTIVATE)))
    assert found
    code = totp.code(found[1])
    ann.post(ACTIVATE, {"code": code})
    client = log_in(user)
    client.post(AUTHENTICATE, {"code": code})
    assert not is_in(client)


def test_codes_of_long_ago_are_refused(user: User, secret: str) -> None:
    client = log_in(user)
    client.post(AUTHENTICATE, {"code": totp.code(secret, steps=-3)})
    assert not is_in(client)


def test_guessing_codes_is_slowed_down_across_browsers(user: User, secret: str) -> None:
    for _ in range(6):
        page = text(log_in(user).post(AUTHENTICATE, {"code": "000000"}))
    assert "Too many" in page
    client = log_in(user)
    client.post(AUTHENTICATE, {"code": totp.code(secret, steps=1)})
    assert not is_in(client)


def test_recovery_code_works_once_and_the_owner_is_told(user: User, codes: list[str], mailoutbox: list[Any]) -> None:
    assert len(codes) == 10
    mailoutbox.clear()
    client = log_in(user)
    client.post(AUTHENTICATE, {"code": codes[0]})
    assert is_in(client)
    [mail] = mailoutbox
    assert mail.to == [user.email]
    assert "9 codes are left" in mail.body
    again = log_in(user)
    again.post(AUTHENTICATE, {"code": codes[0]})
    assert not is_in(again)
    assert AuditEntry.objects.filter(account=user, action=Act.RECOVERY_CODE_USED).count() == 1
    assert AuditEntry.objects.filter(account=user, action=Act.SECOND_FACTOR_FAILED).count() == 1


def test_new_recovery_codes_replace_the_old_ones(user: User, ann: Client, codes: list[str]) -> None:
    assert text(ann.get("/accounts/2fa/recovery-codes/download/")).count("\n") >= 10
    ann.post("/accounts/2fa/recovery-codes/generate/")
    client = log_in(user)
    client.post(AUTHENTICATE, {"code": codes[0]})
    assert not is_in(client)


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/2fa/recovery-codes/",
        "/accounts/2fa/recovery-codes/download/",
        "/accounts/2fa/recovery-codes/generate/",
        "/accounts/2fa/totp/deactivate/",
    ],
)
def test_old_session_sees_no_code_and_removes_nothing(user: User, codes: list[str], path: str) -> None:
    stale = Client()
    stale.force_login(user)
    assert stale.get(path)["Location"].startswith("/accounts/reauthenticate/")
    assert stale.post(path).status_code in (302, 405)
    assert Authenticator.objects.filter(user=user).count() == 2


def test_code_confirms_in_place_of_the_password(user: User, secret: str) -> None:
    stale = Client()
    stale.force_login(user)
    asked = stale.get("/account/tokens/")["Location"]
    assert "/accounts/2fa/reauthenticate/?next=%2Faccount%2Ftokens%2F" in text(stale.get(asked))
    path = "/accounts/2fa/reauthenticate/?next=/account/tokens/"
    assert "one-time-code" in text(stale.get(path))
    assert stale.post(path, {"code": totp.code(secret, steps=1)})["Location"] == "/account/tokens/"
    assert stale.get("/account/tokens/").status_code == 200


def test_password_reset_does_not_skip_the_second_factor(user: User, secret: str, mailoutbox: list[Any]) -> None:
    mailoutbox.clear()
    client = Client()
    client.post("/accounts/password/reset/", {"email": user.email})
    link = re.search(r"http://localhost:8000(\S+)", mailoutbox[0].body)
    assert link
    form = client.get(link[1])["Location"]
    client.post(form, {"password1": "another long phrase", "password2": "another long phrase"})
    assert not is_in(client)
    client.post("/accounts/login/", {"login": user.email, "password": "another long phrase"})
    assert not is_in(client)


def test_admin_login_asks_for_the_second_factor(make_user: MakeUser, client_of: Callable[[User], Client]) -> None:
    boss = make_user("boss@example.org", is_staff=True, is_superuser=True)
    secret = set_up(client_of(boss))
    client = Client()
    assert client.get("/admin/login/?next=/admin/accounts/")["Location"].startswith("/accounts/login/?next=/admin/acc")
    client.post("/admin/login/", {"username": boss.email, "password": PASSWORD})
    assert client.get("/admin/").status_code == 302
    client.post("/accounts/login/", {"login": boss.email, "password": PASSWORD, "next": "/admin/"})
    assert client.get("/admin/").status_code == 302
    client.post(AUTHENTICATE, {"code": totp.code(secret, steps=1)})
    assert client.get("/admin/").status_code == 200


def test_staff_cannot_become_another_at_the_admin_login(
    make_user: MakeUser, client_of: Callable[[User], Client]
) -> None:
    boss = make_user("boss@example.org", is_staff=True, is_superuser=True)
    clerk = make_user("clerk@example.org", is_staff=True)
    client = client_of(clerk)
    client.post("/admin/login/", {"username": boss.email, "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(clerk.pk)
    assert client.get("/admin/login/")["Location"] == "/admin/"
    assert client.get("/admin/login/?next=https://evil.example/")["Location"] == "/admin/"
    assert client.get("/admin/password_change/")["Location"] == "/accounts/password/change/"


def test_person_without_staff_rights_is_refused_at_the_admin_login(ann: Client) -> None:
    assert ann.get("/admin/login/").status_code == 403


def json_post(path: str, body: dict[str, str], **headers: str) -> Any:
    return Client().post(f"{API}/{path}", body, content_type="application/json", headers=headers)


def test_json_web_token_needs_the_second_factor(user: User, secret: str) -> None:
    response = json_post("login", {"email": user.email, "password": PASSWORD})
    assert response.status_code == 401
    body = response.json()
    assert "access_token" not in body["meta"]
    assert {"id": "mfa_authenticate", "is_pending": True}.items() <= next(
        flow for flow in body["data"]["flows"] if flow["id"] == "mfa_authenticate"
    ).items()
    pending = {"X-Session-Token": body["meta"]["session_token"]}
    assert Client().get("/account/", headers=pending).status_code == 302
    wrong = json_post("2fa/authenticate", {"code": "000000"}, **pending)
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["code"] == "incorrect_code"
    right = json_post("2fa/authenticate", {"code": totp.code(secret, steps=1)}, **pending)
    assert right.status_code == 200
    token = right.json()["meta"]["access_token"]
    assert Client().get("/api/limits", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_second_step_alone_is_refused(user: User, secret: str) -> None:
    assert json_post("2fa/authenticate", {"code": totp.code(secret, steps=1)}).status_code == 401


def test_stored_secrets_are_encrypted(user: User, secret: str, codes: list[str]) -> None:
    app, seeds = Authenticator.objects.filter(user=user).order_by("pk")
    assert secret not in json.dumps(app.data)
    assert second_factor.MFAAdapter().decrypt(app.data["secret"]) == secret
    assert second_factor.MFAAdapter().decrypt(seeds.data["seed"]) not in json.dumps(seeds.data)


def test_code_works_after_a_new_secret_key_and_its_fallback_is_needed_no_more(
    user: User, secret: str, settings: Any
) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    client = log_in(user)
    client.post(AUTHENTICATE, {"code": totp.code(secret, steps=1)})
    assert is_in(client)
    out = io.StringIO()
    call_command("reencrypt_second_factors", stdout=out)
    assert out.getvalue().startswith("2 second factors")
    settings.SECRET_KEY_FALLBACKS = []
    client = log_in(user)
    client.post(AUTHENTICATE, {"code": totp.code(secret, steps=-1)})
    assert is_in(client)


def test_lost_secret_key_is_said(user: User, secret: str, settings: Any) -> None:
    settings.SECRET_KEY = "another"
    client = log_in(user)
    response = client.post(AUTHENTICATE, {"code": totp.code(secret, steps=1)}, headers={"Accept": "text/html"})
    assert response.status_code == 403
    assert "Ask the operator" in text(response)
    assert not is_in(client)
    with pytest.raises(CommandError, match="SECRET_KEY_FALLBACKS"):
        call_command("reencrypt_second_factors")


def test_apps_show_the_site_of_the_settings(ann: Client, settings: Any) -> None:
    settings.SITE_URL = "https://sales.example.com"
    settings.ALLOWED_HOSTS = ["sales.example.com", "evil.example"]
    ann.get(ACTIVATE, headers={"Host": "evil.example"})
    adapter = second_factor.MFAAdapter()
    assert adapter.get_totp_issuer() == "Salesagg (sales.example.com)"
    assert adapter.get_public_key_credential_rp_entity()["id"] == "sales.example.com"


def test_key_of_a_new_app_is_another_each_time(ann: Client) -> None:
    first, second = (re.findall(r'totp-secret">(\w+)<', text(ann.get(ACTIVATE))) for _ in range(2))
    assert first != second


def test_app_is_deactivated_with_its_recovery_codes(
    user: User, ann: Client, secret: str, mailoutbox: list[Any]
) -> None:
    mailoutbox.clear()
    ann.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.filter(user=user).exists()
    assert is_in(log_in(user))
    assert "deactivated" in mailoutbox[0].body
    acts = list(AuditEntry.objects.filter(account=user).values_list("action", flat=True))
    assert acts.count(Act.SECOND_FACTOR_REMOVED) == 2


async def test_export_names_second_factors_without_their_keys(
    user: User, secret: str, codes: list[str], streaming_ann: AsyncClient
) -> None:
    response = await streaming_ann.post("/account/export")
    data = b"".join([piece async for piece in response.streaming_content])  # type: ignore[attr-defined]
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        exported = json.loads(packed.read("second_factors.json"))
        everything = b"".join(packed.read(name) for name in packed.namelist()).decode()
    assert [each["type"] for each in exported] == ["totp", "recovery_codes"]
    assert secret not in everything
    assert not set(codes) & set(re.findall(r"\d{8}", everything))


def test_deleted_account_leaves_no_second_factor(user: User, secret: str) -> None:
    deletion.delete(user)
    assert not Authenticator.objects.exists()
    assert not User.objects.exists()


@pytest.fixture
def admin(make_user: MakeUser, client_of: Callable[[User], Client]) -> Client:
    return client_of(make_user("root@example.org", is_staff=True, is_superuser=True))


def test_operator_removes_a_lost_second_factor(
    user: User, admin: Client, secret: str, codes: list[str], mailoutbox: list[Any]
) -> None:
    mailoutbox.clear()
    app = Authenticator.objects.get(user=user, type="totp")
    for path in ("", f"{app.pk}/change/"):
        page = text(admin.get(f"/admin/mfa/authenticator/{path}"))
        assert user.email in page
        assert app.data["secret"] not in page
    assert "TOTP Authenticator" in text(admin.get(f"/admin/accounts/user/{user.pk}/change/"))
    admin.post("/admin/mfa/authenticator/", {"action": "remove_all", "_selected_action": [app.pk]})
    assert not Authenticator.objects.filter(user=user).exists()
    assert is_in(log_in(user))
    [mail] = mailoutbox
    assert mail.to == [user.email]
    assert "operator removed your second factor" in mail.body
    # The address of the operator is not the owner's business.
    assert "IP address" not in mail.body
    entry = AuditEntry.objects.get(account=user, action=Act.SECOND_FACTOR_REMOVED)
    assert entry.actor is not None
    assert entry.actor.email == "root@example.org"


def test_staff_without_the_permission_removes_nothing(
    user: User, make_user: MakeUser, client_of: Callable[[User], Client], secret: str
) -> None:
    clerk = client_of(make_user("clerk@example.org", is_staff=True))
    app = Authenticator.objects.get(user=user, type="totp")
    form = {"action": "remove_all", "_selected_action": [app.pk]}
    assert clerk.post("/admin/mfa/authenticator/", form).status_code == 403
    assert Authenticator.objects.filter(user=user).count() == 2


def test_person_with_a_second_factor_can_still_change_the_address(user: User, ann: Client, secret: str) -> None:
    ann.post("/accounts/email/", {"email": "ann@new.example.org", "action_add": ""})
    assert EmailAddress.objects.filter(user=user, email="ann@new.example.org").exists()
