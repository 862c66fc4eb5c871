"""The pages that say what did not work."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.axe import assert_accessible


@pytest.mark.parametrize(
    ("path", "heading"),
    [("/no/such/page", "There is no such page"), ("/jobs/00000000-0000-4000-8000-000000000000/", "Not found")],
)
def test_a_page_that_is_not_there_says_so_to_everybody(
    signed_up: Page, address: str, expected_trouble: list[str], path: str, heading: str
) -> None:
    expected_trouble.append("404")
    signed_up.goto(address + path)
    expect(signed_up.get_by_role("heading", name=heading)).to_be_visible()
    assert_accessible(signed_up)
    signed_up.get_by_role("link", name="Back to the dashboard").click()
    expect(signed_up.get_by_role("heading", name="Your files")).to_be_visible()
