"""What people do on the dashboard, and where they look."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page


def choose(page: Page, *paths: Path) -> None:
    page.get_by_label("Choose files").set_input_files(paths)


def upload(page: Page, *paths: Path) -> None:
    choose(page, *paths)
    page.get_by_role("button", name=re.compile("Start upload" if len(paths) == 1 else "Start all")).click()


def card_of(page: Page, name: str) -> Locator:
    return page.locator("#jobs").get_by_role("article").filter(has=page.get_by_role("heading", name=name))


def review_of(page: Page, name: str) -> Locator:
    return page.locator("#reviews").get_by_role("article").filter(has=page.get_by_role("heading", name=name))


def state(card: Locator) -> Locator:
    return card.locator("[data-field=label]")
