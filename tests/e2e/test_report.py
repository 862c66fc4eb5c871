"""The report in a browser: filling in live, its table, its downloads, sharing it, running it again, removing it."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.axe import assert_accessible
from tests.e2e.conftest import MakeContext
from tests.files import HEADER, totals_by_csv, write_sales
from tests.services.tus import upload, uploading

DEPARTMENTS = 120


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A file with many departments, two months, and a bad row; `Dept 007` has sales of 7."""
    path = tmp_path / f"{tmp_path.name}.csv"
    rows = "".join(
        f"Dept {n:03},2024-0{n % 2 + 1}-01,{n}\n" + "Dept 007,2024-01-01,0\n" * (n == 7) for n in range(DEPARTMENTS)
    )
    path.write_text(HEADER + rows + "Dept 001,never,<b>1</b>\n")
    return path


@pytest.fixture
def report(operator: Page, address: str, token: str, many: Path) -> Page:
    """The report of `many`."""
    upload(address, token, many)
    return open_report(operator, many)


def open_report(page: Page, path: Path) -> Page:
    """Wait on the dashboard until the file's report is there, and open it."""
    page.get_by_role("article").filter(has_text=path.name).get_by_role("link", name="Open report").click()
    expect(page.get_by_role("heading", level=1, name=path.name)).to_be_visible()
    return page


def table(page: Page) -> Locator:
    return page.get_by_role("region", name="Totals per department").get_by_role("table")


def names(page: Page) -> list[str]:
    return [name.inner_text() for name in table(page).get_by_role("rowheader").all()]


def figure(page: Page, name: str) -> str:
    return page.locator("dt", has_text=re.compile(f"^{name}$")).locator("xpath=following-sibling::dd").inner_text()


@pytest.mark.deep
def test_it_fills_in_while_the_file_is_still_coming(operator: Page, address: str, token: str, tmp_path: Path) -> None:
    page = operator
    path = write_sales(tmp_path / "coming.csv", 70_000_000, departments=30)
    with uploading(address, token, path) as uploader:
        uploader.upload(stop_at=50_000_000)
        page.get_by_role("link", name="coming.csv", exact=True).click()
        expect(page.get_by_text("Partial totals.")).to_be_visible(timeout=30_000)
        expect(page.get_by_role("heading", name="Largest departments so far")).to_be_visible()
        before = figure(page, "Rows")
        assert 0 < int(before.replace(",", "")) < totals_by_csv(path)[1]
        # Still the page it was, when it has come to its end.
        page.evaluate("() => { window.unchanged = true; }")
        chart = page.locator("#departments-chart").element_handle()
        uploader.upload()
    totals, rows, bad_rows = totals_by_csv(path)
    card = page.get_by_role("article")
    expect(card.get_by_text(f"Done with {bad_rows:,} rejected rows")).to_be_visible(timeout=60_000)
    expect(table(page)).to_be_visible()
    expect(page.get_by_text("Partial totals.")).to_be_hidden()
    assert (figure(page, "Rows"), figure(page, "Total sales")) == (f"{rows:,}", f"{sum(totals.values()):,}")
    assert page.evaluate("() => window.unchanged")
    # The chart was kept and given its new numbers, instead of being drawn anew.
    assert page.evaluate("(chart) => chart.isConnected", chart)


@pytest.mark.deep
def test_its_table_is_sorted_searched_and_paged_in_place(report: Page) -> None:
    page = report
    page.evaluate("() => { window.unchanged = true; }")
    assert names(page)[0] == f"Dept {DEPARTMENTS - 1:03}"
    by_rows = table(page).get_by_role("link", name="Rows")
    by_rows.click()
    expect(table(page).get_by_role("columnheader", name="Rows")).to_have_attribute("aria-sort", "descending")
    assert names(page)[0] == "Dept 007"
    expect(by_rows).to_be_focused()
    table(page).get_by_role("link", name="Department").press("Enter")
    expect(table(page).get_by_role("columnheader", name="Department")).to_have_attribute("aria-sort", "ascending")
    assert names(page)[:2] == ["Dept 000", "Dept 001"]
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("51–100 of 120")).to_be_visible()
    page.get_by_role("searchbox", name="Search departments").fill("dept 00")
    expect(page.get_by_text("1–10 of 10")).to_be_visible()
    assert names(page) == [f"Dept {n:03}" for n in range(10)]
    assert page.evaluate("() => window.unchanged")
    # The address has it all, for a reload or a bookmark.
    page.reload()
    assert names(page) == [f"Dept {n:03}" for n in range(10)]
    expect(page.get_by_role("searchbox", name="Search departments")).to_have_value("dept 00")
    page.get_by_role("searchbox", name="Search departments").fill("no such")
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_text("1–50 of 120")).to_be_visible()


def test_it_has_figures_charts_and_the_rejected_rows(report: Page) -> None:
    page = report
    assert figure(page, "Total sales") == f"{sum(range(DEPARTMENTS)):,}"
    assert figure(page, "Departments") == str(DEPARTMENTS)
    assert figure(page, "Rejected rows") == "1"
    series = json.loads(page.locator("#departments-chart").get_attribute("data-series") or "")
    assert series["labels"][-1] == "110 others"
    assert sum(series["values"]) == sum(range(DEPARTMENTS))
    page.get_by_text("As a table").click()
    months = page.get_by_role("region", name="Sales by month").get_by_role("row")
    expect(months).to_have_count(3)
    rejected = page.get_by_role("region", name="The first rejected rows").get_by_role("row").nth(1)
    expect(rejected).to_contain_text("<b>1</b>")
    expect(rejected).to_contain_text(
        "the date is not a day written YYYY-MM-DD; the sales are not a whole number from 0"
    )


def test_it_is_downloaded_in_every_form(report: Page, many: Path) -> None:
    header = b"Department Name,Total Number of Sales\nDept 000,0\n"
    forms = {
        "Download CSV": ("totals.csv", b'"Department Name","Total Number of Sales"\n"Dept 000","0"\n'),
        "Plain CSV, for programs values": ("totals.csv", header),
        "Excel (XLSX)": ("totals.xlsx", b"PK"),
        "JSON": ("totals.json", b'{\n  "file": '),
        "Parquet": ("totals.parquet", b"PAR1"),
        "Download rejected rows": ("rejected.csv", b'"rowNumber","Department Name","Date"'),
    }
    report.get_by_text("Other formats").click()
    for link, (suffix, begins) in forms.items():
        with report.expect_download() as downloading:
            report.get_by_role("link", name=link).click()
        assert downloading.value.suggested_filename == f"{many.stem}-{suffix}"
        assert Path(downloading.value.path()).read_bytes().startswith(begins)


def test_it_is_shared_by_a_link_until_that_is_revoked(
    report: Page, new_context: MakeContext, expected_trouble: list[str]
) -> None:
    page = report
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("A new link, open for").select_option("1 day")
    page.get_by_role("button", name="Make a link").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("() => navigator.clipboard.readText()")
    private = new_context().new_page()
    private.goto(link)
    expect(private.get_by_role("link", name="Log in")).to_be_visible()
    assert figure(private, "Departments") == str(DEPARTMENTS)
    private.get_by_role("searchbox", name="Search departments").fill("dept 119")
    expect(private.get_by_text("1–1 of 1")).to_be_visible()
    with private.expect_download() as downloading:
        private.get_by_role("link", name="Download CSV").click()
    assert Path(downloading.value.path()).read_text().count("\n") == DEPARTMENTS + 1
    assert private.get_by_text("Download rejected rows").count() == 0
    assert_accessible(private)
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The link opens nothing any more.")).to_be_visible()
    expected_trouble.append("410")
    private.reload()
    expect(private.get_by_text("This link has expired or was revoked.")).to_be_visible()
    assert_accessible(private)


@pytest.mark.deep
def test_a_file_with_other_columns_is_run_again_without_a_new_upload(
    operator: Page, address: str, token: str, tmp_path: Path
) -> None:
    page = operator
    path = tmp_path / "shops.csv"
    path.write_text("Shop;Day;Takings\nMain street;2024-01-02;12.50\nHarbour;2024-01-02;-2\n")
    upload(address, token, path)
    page.get_by_role("link", name="shops.csv", exact=True).click()
    expect(page.get_by_role("heading", name="Say which column is which")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Department").select_option("Shop")
    page.get_by_label("Date").select_option("Day")
    page.get_by_label("Sales", exact=True).select_option("Takings")
    page.get_by_label("Amounts").check()
    page.get_by_role("button", name="Run again").click()
    expect(table(page)).to_be_visible()
    assert names(page) == ["Main street", "Harbour"]
    assert figure(page, "Total sales") == "10.50"
    expect(page.get_by_text("Other runs of this file:")).to_be_visible()


@pytest.mark.deep
def test_it_is_removed_and_a_page_that_shows_it_goes_back(report: Page, many: Path) -> None:
    other = report.context.new_page()
    other.goto(report.url)
    expect(table(other)).to_be_visible()
    report.get_by_role("link", name="Remove this report").click()
    assert_accessible(report)
    report.get_by_role("button", name="Remove").click()
    for page in (report, other):
        expect(page.get_by_role("heading", name="Your files")).to_be_visible()
        expect(page.get_by_text(many.name)).to_have_count(0)


@pytest.mark.parametrize("width", [pytest.param(1200, marks=pytest.mark.deep), 390])
def test_everybody_can_read_it(report: Page, width: int) -> None:
    report.set_viewport_size({"width": width, "height": 800})
    report.get_by_text("As a table").click()
    report.get_by_text("Other formats").click()
    assert_accessible(report)
    assert report.evaluate("() => document.documentElement.scrollWidth") == width
