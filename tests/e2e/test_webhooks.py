"""Webhooks in a browser: added, tested, looked at while the log follows, switched off, deleted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_account import log_in, look_at
from tests.reports.webhooks.receiver import Receiver
from tests.services.site import EMAIL, Site
from tests.services.tus import upload


@pytest.fixture(scope="module")
def own_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that may send to this machine."""
    started = Site(tmp_path_factory.mktemp("webhooks"), WEBHOOKS_TO_PRIVATE_ADDRESSES="true")
    yield started
    started.end()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.close()


@pytest.mark.deep
def test_a_webhook_is_added_tested_followed_switched_off_and_deleted(
    own_site: Site, page: Page, receiver: Receiver, tmp_path: Path
) -> None:
    token = own_site.prepare()
    address = own_site.serve()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
    log_in(page, address, EMAIL)
    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="Webhooks").click()
    expect(page.get_by_text("You have no webhooks yet.")).to_be_visible()
    look_at(page)
    page.get_by_label("Address").fill("ftp://example.org/")
    page.get_by_role("button", name="Add webhook").click()
    expect(page.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
    look_at(page)

    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Add webhook").click()
    look_at(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    receiver.secret = page.evaluate("() => navigator.clipboard.readText()")
    assert receiver.secret.startswith("whsec_")

    receiver.replies = [500]
    page.get_by_role("button", name="Send test").click()
    log = page.locator("#log")
    # The log follows by itself, and leaves open what is open.
    log.locator("summary").click()
    expect(log.get_by_text("The receiver answered 500.")).to_be_visible()
    expect(log.get_by_text("Delivered")).to_be_visible()
    expect(log.get_by_role("region")).to_contain_text('"type": "test"')
    expect(page.locator("#secret")).to_be_hidden()
    look_at(page)
    [told] = receiver.effects.values()
    assert told["type"] == "test"

    path = tmp_path / "sales.csv"
    path.write_text("Department Name,Date,Number of Sales\nToys,2024-01-01,3\n")
    upload(address, token, path)
    tries = [receiver.next() for _ in range(3)]
    assert tries[0].id == tries[1].id
    message = tries[2].id
    page.reload()
    expect(log.get_by_role("heading", name="Job completed")).to_be_visible()
    page.get_by_role("button", name=f"Send again {message}").click()
    expect(page.get_by_text("The message is on its way again.")).to_be_visible()
    assert receiver.next().id == message

    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text("Nothing is sent")).to_be_visible()
    look_at(page)
    page.get_by_role("link", name="All webhooks").click()
    expect(page.get_by_role("listitem").filter(has_text=receiver.url)).to_contain_text("Switched off")
    look_at(page)
    page.get_by_role("link", name=f"Open {receiver.url}").click()
    page.get_by_role("link", name="Delete").click()
    look_at(page)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The webhook has been deleted.")).to_be_visible()
