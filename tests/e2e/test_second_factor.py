"""Second factors in a browser: an authenticator app, and passkeys on a virtual device."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.accounts import totp
from tests.e2e.test_account import PASSWORD, log_in, look_at


@pytest.fixture
def phone(page: Page) -> Any:
    """A phone that keeps passkeys and always confirms: Chromium's own virtual authenticator."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return devtools


def set_up_app(page: Page, address: str) -> None:
    page.goto(f"{address}/accounts/2fa/")
    look_at(page)
    page.get_by_role("link", name="Set up an app").click()
    expect(page.get_by_label("Code")).to_be_focused()
    look_at(page)
    page.get_by_text("I cannot scan it").click()
    secret = page.locator(".totp-secret").inner_text()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    look_at(page)
    page.get_by_label("Code").fill(totp.code(secret))
    page.get_by_label("Code").press("Enter")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def add_passkey(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}/accounts/2fa/")
    page.get_by_role("link", name="Add a passkey").click()
    look_at(page)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_app_is_set_up_asked_for_at_login_and_deactivated(signed_up: Page, address: str, tmp_path: Path) -> None:
    page = signed_up
    set_up_app(page, address)
    look_at(page)
    code = page.locator("#codes").inner_text().split()[0]
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download").click()
    assert code in Path(downloading.value.path()).read_text()
    page.get_by_role("link", name="Create new codes").click()
    look_at(page)
    page.get_by_role("button", name="Create new codes").click()
    code = page.locator("#codes").inner_text().split()[0]
    page.goto(f"{address}/accounts/2fa/")
    look_at(page)

    log_out(page)
    look_at(page)
    log_in(page, address, f"{tmp_path.name}@example.org")
    expect(page.get_by_label("Code")).to_be_focused()
    look_at(page)
    page.get_by_label("Code").fill(code)
    page.get_by_label("Code").press("Enter")
    page.wait_for_url(f"{address}/")

    page.goto(f"{address}/accounts/2fa/")
    page.get_by_role("link", name="Deactivate").click()
    look_at(page)
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_text("Not set up")).to_be_visible()


def test_passkey_is_added_and_logs_in_without_a_password(signed_up: Page, address: str, phone: Any) -> None:
    page = signed_up
    add_passkey(page, address, "my phone")
    page.goto(f"{address}/accounts/2fa/")
    entry = page.get_by_role("listitem").filter(has_text="my phone")
    expect(entry).to_contain_text("Replaces the password")
    look_at(page)

    log_out(page)
    page.goto(f"{address}/accounts/login/?next=/account/activity/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{address}/account/activity/")

    page.goto(f"{address}/accounts/2fa/")
    page.get_by_role("link", name="Rename my phone").click()
    look_at(page)
    page.get_by_label("Name").fill("old phone")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Remove old phone").click()
    look_at(page)
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("old phone")).to_have_count(0)


@pytest.mark.deep
def test_passkey_confirms_the_second_step_and_later_changes(
    signed_up: Page, address: str, phone: Any, tmp_path: Path
) -> None:
    page = signed_up
    confirm(page, address)
    add_passkey(page, address, "security key")
    log_out(page)
    log_in(page, address, f"{tmp_path.name}@example.org")
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    look_at(page)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{address}/")

    page.goto(f"{address}/accounts/2fa/webauthn/reauthenticate/?next=/account/tokens/")
    look_at(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page).to_have_url(f"{address}/account/tokens/")


@pytest.mark.deep
def test_passkey_that_is_not_confirmed_is_said(signed_up: Page, address: str) -> None:
    page = signed_up
    page.add_init_script(
        "navigator.credentials.create = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
    )
    page.goto(f"{address}/accounts/2fa/webauthn/add/")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("alert")).to_have_text(re.compile("was not confirmed"))
    look_at(page)


def test_passkey_works_at_no_other_address(page: Page, address: str, phone: Any) -> None:
    """SITE_URL names localhost; the same server at another name of the machine offers its passkeys to nobody."""
    page.goto(f"{address.replace('localhost', '127.0.0.1')}/accounts/login/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_have_text(re.compile("do not work at this address"))


def confirm(page: Page, address: str) -> None:
    page.goto(f"{address}/accounts/reauthenticate/?next=/accounts/2fa/")
    look_at(page)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Second factor", exact=True)).to_be_visible()
