"""Where results are in a store that browsers reach, they are downloaded from there, and nobody sees a difference."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.services import S3
from tests.services.site import Site
from tests.services.tus import upload

SALES = "Department Name,Date,Number of Sales\nToys,2024-01-01,3\nBooks,2024-01-01,4\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    server = S3(tmp_path_factory.mktemp("s3"))
    yield server
    server.end()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, store: S3) -> Iterator[Site]:
    # Another host than the page's, as in earnest.
    started = Site(tmp_path_factory.mktemp("site"), STORAGE_URL=f"{store.url}&public_url={store.endpoint}")
    yield started
    started.end()


@pytest.fixture(scope="module")
def token(site: Site) -> str:
    return site.prepare()


@pytest.fixture(scope="module")
def address(site: Site, token: str) -> str:
    return site.serve()


@pytest.mark.deep
def test_a_result_is_downloaded_from_the_store_under_the_files_name(
    operator: Page, address: str, token: str, store: S3, tmp_path: Path
) -> None:
    page = operator
    path = tmp_path / "Köln.csv"
    path.write_text(SALES)
    upload(address, token, path)
    page.goto(address)
    page.get_by_role("article").get_by_role("link", name="Köln.csv", exact=True).click()
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.get_by_text("Other formats").click()
    link = page.get_by_role("link", name="Plain CSV, for programs")
    expect(link).to_be_visible()
    with page.expect_download() as downloading:
        link.click()
    download = downloading.value
    assert download.suggested_filename == "Köln-totals.csv"
    assert Path(download.path()).read_text() == "Department Name,Total Number of Sales\nBooks,4\nToys,3\n"
    assert download.url.startswith(store.endpoint) or any(url.startswith(store.endpoint) for url in asked)
