"""The account's pages in a browser."""

import pytest
from playwright.sync_api import Page

from tests.e2e.axe import assert_accessible


def test_the_log_in_is_accessible(page: Page, address: str) -> None:
    page.goto(f"{address}/accounts/login/")
    assert_accessible(page)


def test_what_is_not_accessible_is_told(page: Page, address: str) -> None:
    page.goto(f"{address}/accounts/login/")
    page.evaluate("() => document.querySelector('main').append(document.createElement('input'))")
    with pytest.raises(AssertionError, match=r"\[dark\] label \(critical\)[^<]+<input>"):
        assert_accessible(page, schemes=["dark"])
    assert_accessible(page, without=["label"])
