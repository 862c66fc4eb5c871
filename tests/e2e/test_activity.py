"""The page of what was done with an account."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.axe import assert_accessible


@pytest.mark.parametrize("width", [pytest.param(1200, marks=pytest.mark.deep), 390])
def test_it_tells_what_was_done_to_everybody_on_any_screen(signed_up: Page, address: str, width: int) -> None:
    page = signed_up
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}/account/")
    page.get_by_role("link", name="Activity").click()
    expect(page.get_by_role("heading", name="Activity")).to_be_visible()
    expect(page.get_by_text("Account made")).to_be_visible()
    expect(page.get_by_text("you, on a page").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert_accessible(page)
