"""An import in a browser: filling in live, its rejected rows, undoing it, running it again, as another kind too."""

import csv
import io
import re
import zlib
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.axe import assert_accessible
from tests.files import HEADER, customers_csv
from tests.services.tus import upload, uploading

BAD = ",nobody,,Acme\nZoe,,+49 1,<b>Acme</b>\n"
GOOD = 300


@pytest.fixture
def first(tmp_path: Path) -> int:
    """A number from which on this test's customers are counted: all tests share one person's."""
    return zlib.crc32(tmp_path.name.encode()) * 1_000_000


@pytest.fixture
def people(tmp_path: Path, first: int) -> Path:
    """Good customers, and two bad rows."""
    path = tmp_path / f"{tmp_path.name}.csv"
    path.write_text(customers_csv(GOOD, first=first).decode() + BAD)
    return path


@pytest.fixture
def done(operator: Page, address: str, token: str, people: Path) -> Page:
    """The page of an import of `people` that is done."""
    upload(address, token, people, kind="customers")
    page = open_job(operator, address, people)
    expect(page.get_by_role("article").get_by_text("Done with 2 rejected rows")).to_be_visible()
    expect(figure(page, "Imported")).to_have_text(f"{GOOD}")
    return page


def open_job(page: Page, address: str, path: Path) -> Page:
    """The page of the newest job over the file."""
    page.goto(f"{address}/?q={path.name}")
    page.get_by_role("link", name=path.name, exact=True).first.click()
    expect(page.get_by_role("heading", level=1, name=path.name)).to_be_visible()
    return page


def figure(page: Page, name: str) -> Locator:
    return page.locator("dt", has_text=re.compile(f"^{name}$")).locator("xpath=following-sibling::dd")


def number(shown: Locator) -> int:
    return int(shown.inner_text().replace(",", ""))


def downloaded(page: Page, link: str) -> tuple[str, list[list[str]]]:
    with page.expect_download() as downloading:
        page.get_by_role("link", name=link).click()
    content = Path(downloading.value.path()).read_text()
    return downloading.value.suggested_filename, list(csv.reader(io.StringIO(content)))


@pytest.mark.deep
def test_it_fills_in_while_the_file_is_still_coming(
    operator: Page, address: str, token: str, tmp_path: Path, first: int
) -> None:
    page = operator
    path = tmp_path / f"{tmp_path.name}.csv"
    rows = 150_000
    path.write_text(f"name,email,phone,company\n{BAD}" + customers_csv(rows, first=first).decode().split("\n", 1)[1])
    with uploading(address, token, path, chunk=2 << 20, kind="customers") as uploader:
        uploader.upload(stop_at=path.stat().st_size * 3 // 4)
        open_job(page, address, path)
        expect(figure(page, "Imported")).to_be_visible(timeout=60_000)
        # Whoever has begun to look at the rejected rows is left alone when the figures change.
        rejected = page.get_by_role("region", name="The first rejected rows")
        expect(rejected.get_by_role("row")).to_have_count(3)
        rejected.focus()
        before = number(figure(page, "Rows"))
        assert 0 < before < rows
        page.evaluate("() => { window.unchanged = true; }")
        uploader.upload()
    expect(page.get_by_role("article").get_by_text("Done with 2 rejected rows")).to_be_visible(timeout=60_000)
    expect(figure(page, "Imported")).to_have_text(f"{rows:,}")
    assert (number(figure(page, "Rows")), number(figure(page, "Rejected rows"))) == (rows + 2, 2)
    assert page.evaluate("() => window.unchanged")
    expect(rejected).to_be_focused()
    expect(page.get_by_role("link", name="Undo this import")).to_be_visible()


@pytest.mark.deep
def test_one_at_a_time_and_the_next_begins_by_itself(
    operator: Page, address: str, token: str, tmp_path: Path, people: Path, first: int
) -> None:
    page = operator
    slow = tmp_path / f"slow {tmp_path.name}.csv"
    slow.write_bytes(customers_csv(50_000, first=first + GOOD))
    with uploading(address, token, slow, chunk=1 << 20, kind="customers") as uploader:
        uploader.upload(stop_at=1 << 20)
        upload(address, token, people, kind="customers")
        open_job(page, address, people)
        expect(page.get_by_text("Another import of yours is worked on first.")).to_be_visible()
        assert_accessible(page)
        uploader.upload()
    expect(figure(page, "Imported")).to_have_text(f"{GOOD}", timeout=60_000)
    expect(page.get_by_text("Another import of yours")).to_be_hidden()


@pytest.mark.deep
def test_rejected_rows_are_shown_and_downloaded_as_they_stand_in_the_file(done: Page, people: Path) -> None:
    shown = done.get_by_role("region", name="The first rejected rows").get_by_role("row")
    expect(shown.nth(2)).to_contain_text("<b>Acme</b>")
    expect(shown.nth(1)).to_contain_text("the name is empty; the e-mail address is not valid")
    name, lines = downloaded(done, "Download rejected rows")
    assert name == f"{people.stem}-rejected.csv"
    assert lines == [
        ["rowNumber", "name", "email", "phone", "company", "error"],
        [f"{GOOD + 1}", "", "nobody", "", "Acme", "the name is empty; the e-mail address is not valid"],
        [f"{GOOD + 2}", "Zoe", "", "'+49 1", "<b>Acme</b>", "the e-mail address is empty"],
    ]


@pytest.mark.deep
def test_it_shows_some_customers_and_leads_to_all_of_them(done: Page, first: int) -> None:
    some = done.get_by_role("region", name="Some of the imported customers").get_by_role("row")
    expect(some).to_have_count(6)
    expect(some.nth(1)).to_contain_text("@example.org")
    done.get_by_role("link", name="See all of them").click()
    expect(done.get_by_role("heading", level=1, name="Customers")).to_be_visible()
    expect(done.get_by_text(f"person.{first + GOOD - 1}@example.org")).to_be_visible()


def test_it_is_undone_after_a_question_and_run_again(done: Page, people: Path) -> None:
    page, address = done, done.url
    other = page.context.new_page()
    other.goto(address)
    page.get_by_role("link", name="Undo this import").click()
    expect(page.get_by_text(f"{GOOD} customers")).to_be_visible()
    for width in (1200, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert_accessible(page)
        assert page.evaluate("() => document.documentElement.scrollWidth") == width
    page.get_by_role("button", name="Undo the import").click()
    # This page and one that was open already.
    for each in (page, other):
        expect(each.get_by_text("Undone on")).to_be_visible()
        expect(each.get_by_text("Undone", exact=True)).to_be_visible()
        expect(each.get_by_role("region", name="Imported customers")).to_have_count(0)
        expect(each.get_by_role("link", name="Undo this import")).to_have_count(0)
    assert_accessible(page)
    page.get_by_role("button", name="Run again").click()
    expect(figure(page, "Imported")).to_have_text(f"{GOOD}")
    assert page.url != address
    expect(page.get_by_text("Other runs of this file:")).to_be_visible()


@pytest.mark.deep
def test_customers_that_were_changed_keep_it_from_being_undone(done: Page, expected_trouble: list[str]) -> None:
    page, address = done, done.url
    page.goto(f"{address}undo")
    other = page.context.new_page()
    other.goto(address)
    other.get_by_role("link", name="See all of them").click()
    other.locator("main table").get_by_role("link", name=re.compile("Person")).first.click()
    other.get_by_label("Phone").fill("112")
    other.get_by_role("button", name="Save").click()
    other.wait_for_load_state()
    expected_trouble.append("409")
    page.get_by_role("button", name="Undo the import").click()
    expect(page.get_by_text("1 customer of this import has been changed since.")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Back to the import").click()
    expect(figure(page, "Imported")).to_have_text(f"{GOOD}")


@pytest.mark.deep
def test_a_file_that_came_as_the_wrong_kind_is_run_as_the_right_one(
    operator: Page, address: str, token: str, people: Path
) -> None:
    page = operator
    upload(address, token, people, kind="sales")
    open_job(page, address, people)
    expect(page.get_by_text("The file has the columns of another kind: Customers.")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Run as “Customers”").click()
    expect(figure(page, "Imported")).to_have_text(f"{GOOD}")
    # And back, with columns to be chosen, since a file of customers has none of these.
    page.get_by_role("link", name="Sales", exact=True).click()
    expect(page.get_by_label("Department")).to_be_visible()
    page.get_by_label("Department").select_option("company")
    page.get_by_label("Sales", exact=True).select_option("phone")
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_role("heading", name="Totals per department")).to_be_visible()


@pytest.mark.deep
def test_sales_are_not_run_as_customers_unless_somebody_says_which_columns_those_are(
    operator: Page, address: str, token: str, tmp_path: Path
) -> None:
    page = operator
    path = tmp_path / f"{tmp_path.name}.csv"
    path.write_text(HEADER + "Toys,2024-01-01,3\n")
    upload(address, token, path, kind="customers")
    open_job(page, address, path)
    expect(page.get_by_role("button", name="Run as “Sales”")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value("")
    page.get_by_role("button", name="Run as “Sales”").click()
    expect(figure(page, "Departments")).to_have_text("1")


@pytest.mark.parametrize("width", [pytest.param(1200, marks=pytest.mark.deep), 390])
def test_everybody_can_read_it(done: Page, width: int) -> None:
    done.set_viewport_size({"width": width, "height": 800})
    assert_accessible(done)
    assert done.evaluate("() => document.documentElement.scrollWidth") == width
    done.get_by_role("link", name="Remove this import").click()
    expect(done.get_by_text("What it has imported stays:")).to_be_visible()
    assert_accessible(done)
    assert done.evaluate("() => document.documentElement.scrollWidth") == width
