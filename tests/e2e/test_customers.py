"""Customers in a browser: imported on the dashboard, found, changed, exported, deleted; also without scripts."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.axe import assert_accessible
from tests.e2e.conftest import MakeContext
from tests.e2e.dashboard import card_of, state, upload
from tests.files import customers_csv

# Numbers of three digits: the order of the addresses is that of the rows, and what is exported is the file.
FIRST, ROWS = 101, 120
WIDTHS = (pytest.param(1200, marks=pytest.mark.deep), 390)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(customers_csv(ROWS, first=FIRST))
    return path


@pytest.fixture
def customers(signed_up: Page, people: Path) -> Page:
    """The customers of a new person who has imported `people`."""
    page = signed_up
    page.get_by_role("link", name="Customers", exact=True).click()
    expect(page.get_by_text("You have no customers yet.")).to_be_visible()
    page.get_by_role("link", name="Import a file").click()
    import_file(page, people)
    page.get_by_role("link", name="Customers", exact=True).click()
    expect(page.get_by_text(f"1–50 of {ROWS}")).to_be_visible()
    return page


def import_file(page: Page, path: Path) -> None:
    upload(page, path)
    expect(state(card_of(page, path.name))).to_have_text("Done")


def table(page: Page) -> Locator:
    return page.get_by_role("table", name="Customers")


def names(page: Page) -> list[str]:
    return [link.inner_text() for link in table(page).get_by_role("rowheader").get_by_role("link").all()]


def exported(page: Page, link: str = "CSV to import again") -> bytes:
    """What the link gives; by default the plain file, which can be imported again."""
    if link != "Export CSV":
        page.get_by_text("Other formats").click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name=link).click()
    assert downloading.value.suggested_filename == "customers.csv"
    return Path(downloading.value.path()).read_bytes()


def session_of(page: Page, new_context: MakeContext, **options: bool) -> BrowserContext:
    return new_context(storage_state=page.context.storage_state(), **options)


@pytest.mark.deep
def test_they_are_searched_sorted_and_paged_in_place(customers: Page) -> None:
    page = customers
    page.evaluate("() => { window.unchanged = true; }")
    assert names(page)[0] == "Person 220"
    by_name = table(page).get_by_role("link", name="Name")
    by_name.click()
    expect(table(page).get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    expect(by_name).to_be_focused()
    assert names(page)[:2] == ["Person 101", "Person 102"]
    page.get_by_role("link", name="Last").click()
    expect(page.get_by_text(f"101–120 of {ROWS}")).to_be_visible()
    assert names(page)[-1] == "Person 220"
    search = page.get_by_role("searchbox", name="Search customers")
    search.fill("PERSON.11")
    expect(page.get_by_text("1–10 of 10")).to_be_visible()
    assert names(page) == [f"Person {number}" for number in range(110, 120)]
    assert page.evaluate("() => window.unchanged")
    # The address has it all, for a reload or a bookmark.
    page.reload()
    assert names(page) == [f"Person {number}" for number in range(110, 120)]
    expect(search).to_have_value("PERSON.11")
    search.fill("nobody")
    expect(page.get_by_text("No customer matches.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_text(f"1–50 of {ROWS}")).to_be_visible()
    expect(search).to_have_value("")


@pytest.mark.deep
def test_those_of_one_import_are_shown_and_lead_to_it(customers: Page, tmp_path: Path) -> None:
    page = customers
    path = tmp_path / "later.csv"
    path.write_bytes(customers_csv(3, first=300))
    page.goto(page.url.replace("/customers/", "/"))
    import_file(page, path)
    page.get_by_role("link", name="Customers", exact=True).click()
    chosen = page.get_by_label("Import")
    assert "later.csv" in chosen.get_by_role("option").nth(1).inner_text()
    page.evaluate("() => { window.unchanged = true; }")
    chosen.select_option(index=1)
    expect(page.get_by_text("1–3 of 3")).to_be_visible()
    assert names(page) == ["Person 302", "Person 301", "Person 300"]
    assert page.evaluate("() => window.unchanged")
    assert exported(page) == path.read_bytes()
    page.get_by_role("searchbox").fill("person 101")
    expect(page.get_by_text("No customer matches.")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_text("1–50 of 123")).to_be_visible()
    expect(chosen).to_have_value("")
    table(page).get_by_role("link", name="later.csv").first.click()
    expect(page.get_by_role("heading", level=1, name="later.csv")).to_be_visible()


@pytest.mark.deep
def test_one_is_changed_exported_and_deleted(customers: Page, people: Path, expected_trouble: list[str]) -> None:
    # The browser itself notes that an address was taken.
    expected_trouble.append("409 (Conflict)")
    page = customers
    assert exported(page) == people.read_bytes()
    page.get_by_role("searchbox").fill("person 150")
    expect(page.get_by_text("1–1 of 1")).to_be_visible()
    table(page).get_by_role("link", name="Person 150").click()
    page.get_by_label("E-mail").fill("person.151@example.org")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("E-mail")).to_have_accessible_description(
        "Another customer of yours has this e-mail address already."
    )
    page.get_by_label("E-mail").fill("jo@bücher.example")
    page.get_by_label("Name").fill("=Jo, “Zoë” Ärger")
    page.get_by_label("Phone").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your changes have been saved.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("=Jo, “Zoë” Ärger")
    page.get_by_role("link", name="All customers").click()
    page.get_by_role("searchbox").fill("ÄRGER")
    expect(page.get_by_text("1–1 of 1")).to_be_visible()
    expect(table(page).get_by_role("rowheader")).to_contain_text("Changed")
    header = b"name,email,phone,company\n"
    line = '"=Jo, “Zoë” Ärger",jo@bücher.example,,Company 0\n'.encode()
    assert exported(page) == header + line
    safe = '"name","email","phone","company"\n"\'=Jo, “Zoë” Ärger","jo@bücher.example","","Company 0"\n'
    assert exported(page, "Export CSV") == safe.encode()
    page.get_by_role("searchbox").fill("")
    expect(page.get_by_text(f"1–50 of {ROWS}")).to_be_visible()
    before = b"Person 150,person.150@example.org,+49 30 150,Company 0\n"
    assert exported(page) == people.read_bytes().replace(before, line)

    table(page).get_by_role("link", name="Person 220").click()
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete Person 220?")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("“Person 220” has been deleted.")).to_be_visible()
    expect(page.get_by_text(f"1–50 of {ROWS - 1}")).to_be_visible()
    assert b"Person 220," not in exported(page)


@pytest.mark.deep
def test_it_works_without_scripts(customers: Page, new_context: MakeContext) -> None:
    page = session_of(customers, new_context, java_script_enabled=False).new_page()
    page.goto(customers.url)
    page.get_by_role("searchbox").fill("person 11")
    page.get_by_label("Import").select_option(index=1)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("1–10 of 10")).to_be_visible()
    table(page).get_by_role("link", name="E-mail").click()
    assert names(page) == [f"Person {number}" for number in range(110, 120)]
    expect(page.get_by_role("searchbox")).to_have_value("person 11")


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_of_them_is_accessible(customers: Page, width: int) -> None:
    page = customers
    address = page.url
    page.set_viewport_size({"width": width, "height": 900})

    def look() -> None:
        assert_accessible(page)
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")

    expect(table(page).get_by_role("row")).to_have_count(51)
    # However it is laid out, it is a table.
    expect(table(page).get_by_role("row").nth(1).get_by_role("cell")).to_have_count(4)
    look()
    page.get_by_text("Other formats").click()
    look()
    page.goto(f"{address}?q=nobody")
    look()
    page.goto(f"{address}?q=person+150")
    table(page).get_by_role("link", name="Person 150").click()
    look()
    page.get_by_label("E-mail").fill("nobody")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The e-mail address is not valid.")).to_be_visible()
    look()
    page.get_by_label("E-mail").fill("somebody@example.org")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your changes have been saved.")).to_be_visible()
    look()
    page.get_by_role("link", name="Delete").click()
    look()
    page.goto(f"{address}?q=somebody")
    expect(table(page).get_by_role("rowheader")).to_contain_text("Changed")
    look()
