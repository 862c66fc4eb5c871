"""A site in one process, and a real browser that looks for trouble while it is used."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from tests.services.site import EMAIL, PASSWORD, Site, sign_up

MakeContext = Callable[..., BrowserContext]
# Playwright waits five seconds for what it expects; a busy machine may need longer, and a right one waits no longer.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    started = Site(tmp_path_factory.mktemp("site"))
    yield started
    started.end()


@pytest.fixture(scope="session")
def token(site: Site) -> str:
    return site.prepare()


@pytest.fixture(scope="session")
def address(site: Site, token: str) -> str:
    return site.serve()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium, silent on the network; as root it runs only without its sandbox."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert program, "The browser tests need Chromium: install the package chromium."
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": program, "args": [*quiet, *sandbox]}


@pytest.fixture
def expected_trouble() -> list[str]:
    """What a test causes on purpose: texts that may stand in the console."""
    return []


@pytest.fixture
def new_context(new_context: Callable[..., BrowserContext], expected_trouble: list[str]) -> Iterator[MakeContext]:
    """new_context(…) -> another person's browser, or a private window.

    Every page of every context, the usual one included, reports what a person would not see: console errors and
    breaches of the policy.
    """
    trouble: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            trouble.append(f"{message.type}: {message.text}")

    def make(**options: Any) -> BrowserContext:
        context = new_context(**options)
        context.on("console", note)
        context.on("weberror", lambda error: trouble.append(f"exception: {error.error}"))
        context.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            " (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))"
        )
        return context

    yield make
    assert [text for text in trouble if not any(expected in text for expected in expected_trouble)] == []


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """write(name, contents) -> the file."""

    def make(name: str, contents: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
        return path

    return make


@pytest.fixture
def signed_up(page: Page, address: str, tmp_path: Path) -> Page:
    """A new person on the dashboard. Their email is made of the name of the test's folder."""
    agent = str(page.evaluate("navigator.userAgent"))
    session = sign_up(address, f"{tmp_path.name}@example.org", **{"User-Agent": agent})
    for cookie in session.cookies:
        page.context.add_cookies([{"name": cookie.name, "value": str(cookie.value), "url": address}])
    page.goto(f"{address}/")
    return page


@pytest.fixture
def operator(page: Page, address: str, token: str) -> Page:
    """The site's own user, to whom `token` belongs, on the dashboard."""
    page.goto(f"{address}/accounts/login/")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("main").get_by_role("button").first.click()
    page.wait_for_url(f"{address}/")
    return page
