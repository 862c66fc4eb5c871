"""The account in a browser: tokens, language, sessions, one's data, and the end of it."""

import json
import re
import zipfile
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.e2e.axe import assert_accessible
from tests.files import HEADER
from tests.services.tus import upload

PASSWORD = "correct horse battery"
PHONE = {"width": 390, "height": 844}


def look_at(page: Page) -> None:
    """Nobody is shut out of the page, and a phone shows it whole."""
    assert_accessible(page)
    before = page.viewport_size
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("() => document.documentElement.scrollWidth") == PHONE["width"], page.url
    page.set_viewport_size(before)  # type: ignore[arg-type]


def make_token(page: Page, address: str, name: str) -> str:
    page.goto(f"{address}/account/tokens/")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create token").click()
    return page.get_by_label("The token").input_value()


def create_upload(address: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0", "Upload-Length": "5"}
    return requests.post(f"{address}/uploads/", headers=headers, timeout=20).status_code


def log_in(page: Page, address: str, email: str) -> None:
    page.goto(f"{address}/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def test_a_token_is_made_copied_used_and_revoked(signed_up: Page, address: str) -> None:
    page = signed_up
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="API tokens").click()
    expect(page.get_by_text("You have no tokens yet.")).to_be_visible()
    look_at(page)

    token = make_token(page, address, "nightly import")
    look_at(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == token
    assert create_upload(address, token) == 201

    page.goto(f"{address}/account/tokens/")
    assert token not in page.content()
    entry = page.get_by_role("listitem").filter(has_text="nightly import")
    expect(entry).to_contain_text(token[:14])
    expect(entry).not_to_contain_text("Never")

    page.get_by_role("link", name="Revoke nightly import").click()
    look_at(page)
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("has been revoked")).to_be_visible()
    expect(entry).to_contain_text("Revoked")
    look_at(page)
    assert create_upload(address, token) == 401


@pytest.mark.deep
def test_the_language_is_changed_and_changed_back(signed_up: Page, address: str) -> None:
    page = signed_up
    page.goto(f"{address}/account/")
    page.get_by_label("First name").fill("Ann")
    page.get_by_label("Mail me when a report is done").check()
    look_at(page)
    for language in ("de", "en"):
        # The page's words change with it.
        page.locator("#id_language").select_option(language)
        page.locator("form.account-form button").click()
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("#id_language")).to_have_value(language)
    expect(page.get_by_text("Your profile has been saved.")).to_be_visible()
    expect(page.get_by_label("First name")).to_have_value("Ann")
    expect(page.get_by_label("Mail me when a report is done")).to_be_checked()


@pytest.mark.deep
def test_a_session_elsewhere_is_signed_out(signed_up: Page, address: str, browser: Browser, tmp_path: Path) -> None:
    page = signed_up
    elsewhere = browser.new_context(user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    other = elsewhere.new_page()
    log_in(other, address, f"{tmp_path.name}@example.org")
    other.wait_for_url(f"{address}/")

    page.goto(f"{address}/account/sessions/")
    expect(page.get_by_role("listitem").filter(has_text="This one")).to_contain_text("Chrome on Linux")
    look_at(page)
    page.get_by_role("button", name="Sign out Firefox on Linux").click()
    expect(page.get_by_text("The session has been signed out.")).to_be_visible()
    expect(page.get_by_text("Firefox on Linux")).to_have_count(0)
    # The page notices by its socket and reloads itself.
    other.wait_for_url(re.compile("/accounts/login/"))
    elsewhere.close()


@pytest.mark.deep
def test_ones_data_is_taken_home_and_then_deleted_with_the_account(
    signed_up: Page, address: str, tmp_path: Path
) -> None:
    page = signed_up
    email = f"{tmp_path.name}@example.org"
    token = make_token(page, address, "laptop")
    path = tmp_path / "sales 2024.csv"
    path.write_text(HEADER + "Toys,2024-01-01,3\nBooks,2024-01-01,4\n")
    upload(address, token, path)
    page.goto(address)
    expect(page.get_by_role("article").get_by_text("Done")).to_be_visible()

    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="Your data").click()
    look_at(page)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download your data").click()
    with zipfile.ZipFile(downloading.value.path()) as packed:
        assert packed.testzip() is None
        assert json.loads(packed.read("account.json"))["email"] == email
        [job] = json.loads(packed.read("jobs.json"))
        assert packed.read(job["result"]) == b"Department Name,Total Number of Sales\nBooks,4\nToys,3\n"

    page.get_by_role("link", name="Delete your account").click()
    expect(page.get_by_text("Uploaded files")).to_be_visible()
    look_at(page)
    page.get_by_label("Your e-mail address").fill("bob@example.org")
    page.get_by_role("button", name="Delete account").click()
    expect(page.get_by_text("This is not the address of your account.")).to_be_visible()
    look_at(page)
    page.get_by_label("Your e-mail address").fill(email)
    page.get_by_role("button", name="Delete account").click()
    expect(page.get_by_text("have been deleted")).to_be_visible()

    log_in(page, address, email)
    expect(page.get_by_text("not correct")).to_be_visible()
    assert create_upload(address, token) == 401


def test_stored_files_are_made_reports_of_and_deleted(signed_up: Page, address: str) -> None:
    page = signed_up
    page.get_by_role("link", name="Stored files and space").click()
    expect(page.get_by_text("No files are stored.")).to_be_visible()
    look_at(page)

    sent = {"Authorization": f"Bearer {make_token(page, address, 'nightly import')}"}
    name = f"{'sales of all shops in the north and the south, ' * 3}2024.csv"
    file = {"file": (name, HEADER + "Toys,2024-01-01,3\n")}
    assert requests.post(f"{address}/api/files", files=file, headers=sent, timeout=20).status_code == 201
    page.get_by_role("link", name="Your data").click()
    page.get_by_role("link", name="Look at stored files").click()
    entry = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name))
    expect(entry).to_contain_text("none yet")
    look_at(page)

    entry.get_by_role("button", name="Process").click()
    expect(page.get_by_role("heading", name="Totals per department")).to_be_visible()
    page.goto(f"{address}/files/")
    entry.get_by_role("link", name=f"1 of {name}").click()
    expect(page.get_by_role("heading", name="Totals per department")).to_be_visible()

    page.goto(f"{address}/files/")
    entry.get_by_role("link", name="Delete").click()
    expect(page.get_by_text("The report that was made of it stays")).to_be_visible()
    look_at(page)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("has been deleted.")).to_be_visible()
    expect(page.get_by_text("No files are stored.")).to_be_visible()


def test_password_and_address_are_changed_on_pages_like_ours(signed_up: Page, address: str) -> None:
    page = signed_up
    page.goto(f"{address}/account/")
    page.get_by_role("link", name="Change e-mail address").click()
    expect(page.get_by_role("heading", name="E-mail address")).to_be_visible()
    look_at(page)
    page.get_by_role("link", name="Password").click()
    look_at(page)
    page.get_by_label("Current Password").fill("wrong")
    page.get_by_label("New Password", exact=True).fill("another long phrase")
    page.get_by_label("New Password (again)").fill("another long phrase")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_label("Current Password")).to_have_accessible_description(re.compile("current password"))
    look_at(page)
    page.goto(f"{address}/accounts/logout/")
    look_at(page)


@pytest.mark.parametrize(
    "path",
    [
        "login/",
        "signup/",
        "password/reset/",
        "password/reset/done/",
        "password/reset/key/1-none/",
        "confirm-email/none/",
    ],
)
def test_the_ways_in_are_open_to_everybody(page: Page, address: str, path: str) -> None:
    page.goto(f"{address}/accounts/{path}")
    look_at(page)


def test_what_is_not_accessible_is_told(page: Page, address: str) -> None:
    page.goto(f"{address}/accounts/login/")
    page.evaluate("() => document.querySelector('main').append(document.createElement('input'))")
    with pytest.raises(AssertionError, match=r"\[dark\] label \(critical\)[^<]+<input>"):
        assert_accessible(page, schemes=["dark"])
    assert_accessible(page, without=["label"])
