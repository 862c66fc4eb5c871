"""The page that describes the API, as people read it."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.axe import assert_accessible


@pytest.mark.parametrize("width", [pytest.param(1200, marks=pytest.mark.deep), 390])
def test_it_is_read_by_anybody_on_any_screen(page: Page, address: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}/api/docs")
    page.get_by_role("navigation", name="Operations").get_by_role("link", name="Watch a job").click()
    expect(page.get_by_role("article", name="Watch a job")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert_accessible(page)
