"""Files of sales and of customers on the dashboard: the kind is guessed, changed, sent along, and seen on the card."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from reports.pipelines import pipelines
from tests.e2e.axe import assert_accessible
from tests.e2e.dashboard import card_of, choose, review_of, state, upload
from tests.e2e.network import Network, wait_for_growth
from tests.files import HEADER, customers_csv

CHUNK = 16 * 1024 * 1024
KIND = "This is a file of"
Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def sent(signed_up: Page) -> list[str]:
    """The metadata of the uploads that the page has made, in words of which one says what it is."""
    found: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/uploads/"):
            pairs = (pair.partition(" ") for pair in request.headers["upload-metadata"].split(","))
            known = {"Y3VzdG9tZXJz": "customers", "Rmlyc3Q=": "First", "V29yaw==": "Work"}
            found.append(",".join(f"{key}={known.get(value, '…')}" for key, _, value in pairs))

    signed_up.on("request", note)
    return found


@pytest.mark.deep
@pytest.mark.parametrize(
    ("contents", "kind", "columns"),
    [
        (HEADER + "Toys,2024-01-01,3\n", "sales", ["Department", "Date", "Sales"]),
        ("Full Name;E-MAIL;Organisation\nA;a@example.org;B\n", "customers", ["Name", "E-mail", "Company"]),
        # All columns of both.
        ("Dept,Sales,Name,Email,Company\nToys,3,A,a@example.org,B\n", "sales", ["Department", "Sales"]),
        # Not all of either, but an address.
        ("Kontakt,Mail,Firma\nA,a@example.org,B\n", "customers", ["E-mail"]),
        ("Shop,Day,Takings\nA,2024-01-01,3\n", "sales", []),
        ("Toys,2024-01-01,3\n", "sales", ["Department", "Date", "Sales"]),
    ],
    ids=["sales", "customers", "both", "an address", "neither", "no header"],
)
def test_the_kind_is_guessed_from_the_header(
    signed_up: Page, write: Write, contents: str, kind: str, columns: list[str]
) -> None:
    choose(signed_up, write("some.csv", contents))
    review = review_of(signed_up, "some.csv")
    expect(review.get_by_label(KIND)).to_have_value(kind)
    expect(review.locator("th .role")).to_have_text(columns)
    roles = ["Department", "Date", "Sales"] if kind == "sales" else ["Name", "E-mail", "Phone", "Company"]
    expect(review.locator(".roles label")).to_have_text(roles)
    expect(review.get_by_label("Amounts")).to_be_visible(visible=kind == "sales")


def test_another_kind_is_another_set_of_columns_and_warnings(signed_up: Page, write: Write) -> None:
    page = signed_up
    rows = "Toys,2.50,Sample Person,a@example.org,Example\n" * 3 + "Books,1,,nobody at example.org,\n"
    choose(page, write("both.csv", f"Dept,Sales,Name,Email,Company\n{rows}Toys,2,,,Example, Inc.\nToys,2,A,,B\n"))
    review = review_of(page, "both.csv")
    expect(review.get_by_label(KIND)).to_have_value("sales")
    expect(review.get_by_label("Amounts")).to_be_checked()
    expect(review.get_by_role("columnheader")).to_have_text(
        ["Dept Department", "Sales Sales", "Name", "Email", "Company"]
    )
    review.get_by_label("Sales", exact=True).select_option("Dept")
    expect(review.get_by_role("alert")).to_contain_text("must be different columns")

    review.get_by_label(KIND).focus()
    review.get_by_label(KIND).select_option("Customers")
    expect(review.get_by_label(KIND)).to_be_focused()
    expect(review.get_by_role("columnheader")).to_have_text(
        ["Dept", "Sales", "Name Name", "Email E-mail", "Company Company"]
    )
    expect(review.get_by_role("alert")).to_have_count(0)
    expect(review.get_by_label("Amounts")).to_be_hidden()
    expect(review.get_by_label("Phone")).to_have_value("-1")
    expect(review.locator(".warning")).to_have_text(
        [
            "Rows with more or fewer fields than the header: 1 of the first 6.",
            "Rows without a name: 1 of the first 6.",
            "Rows without an e-mail address: 1 of the first 6.",
            "E-mail addresses that are not valid: 1 in the first 6 rows, such as “nobody at example.org”.",
            "E-mail addresses that an earlier row has: 2 in the first 6 rows, such as “a@example.org”.",
            "Rows without a company: 1 of the first 6.",
            "Such rows are rejected; the others are imported.",
        ]
    )
    assert_accessible(page)
    review.get_by_label("Name", exact=True).select_option("Dept")
    expect(review.locator(".warning").filter(has_text="without a name")).to_have_count(0)

    # What was chosen before is still there.
    review.get_by_label(KIND).select_option("Sales")
    expect(review.get_by_role("alert")).to_contain_text("must be different columns")
    expect(review.get_by_label("Amounts")).to_be_visible()
    review.get_by_label(KIND).select_option("Customers")
    expect(review.get_by_label("Name", exact=True)).to_have_value("0")


@pytest.mark.deep
def test_of_customers_the_columns_are_chosen_by_hand(
    signed_up: Page, sent: list[str], write: Write, address: str
) -> None:
    page = signed_up
    choose(page, write("odd.csv", "First;Work;Mail;First\nSample Person;Example;one@example.org;x\n;Example;b@c;x\n"))
    review = review_of(page, "odd.csv")
    expect(review.get_by_label(KIND)).to_have_value("customers")
    expect(review.get_by_role("alert")).to_have_text(re.compile("No columns for Name and Company were found"))
    expect(review.get_by_role("button", name="Start upload")).to_be_disabled()
    assert_accessible(page)
    options = review.get_by_label("Name", exact=True).get_by_role("option")
    expect(options).to_have_text(["choose…", "First", "Work", "Mail"])
    expect(review.get_by_label("Phone").get_by_role("option")).to_have_text(["none", "First", "Work", "Mail"])
    review.get_by_label("Name", exact=True).select_option("Mail")
    expect(review.get_by_role("alert")).to_have_text(re.compile("No column for Company was found by its name"))
    review.get_by_label("Company").select_option("Work")
    expect(review.get_by_role("alert")).to_have_text(re.compile("Name, E-mail, Phone,? and Company must be different"))
    review.get_by_label("Name", exact=True).select_option("First")
    expect(review.get_by_text("such as “b@c”")).to_be_visible()
    review.get_by_role("button", name="Start upload").click()
    card = card_of(page, "odd.csv")
    expect(state(card)).to_have_text("Done with 1 rejected row")
    expect(card.get_by_text("1 imported · 1 rejected")).to_be_visible()
    assert sent == ["filename=…,lastmodified=…,kind=customers,name_column=First,company_column=Work"]


def test_wrong_columns_are_told_before_anything_is_sent(signed_up: Page, sent: list[str], write: Write) -> None:
    page = signed_up
    choose(page, write("people.csv", customers_csv(40)))
    review = review_of(page, "people.csv")
    expect(review.locator(".warning")).to_have_count(0)
    # A file of customers is none of sales, whatever one calls it.
    review.get_by_label(KIND).select_option("Sales")
    expect(review.get_by_role("alert")).to_have_text(re.compile("No columns for Department and Sales"))
    expect(review.get_by_role("button", name="Start upload")).to_be_disabled()
    review.get_by_label(KIND).select_option("Customers")
    review.get_by_label("Phone").select_option("none")
    review.get_by_label("E-mail").select_option("phone")
    expect(review.get_by_text("E-mail addresses that are not valid: 40 in the first 40 rows")).to_be_visible()
    assert sent == []


@pytest.mark.deep
def test_an_import_is_seen_live_to_its_end_and_resumed_as_what_it_is(
    signed_up: Page, sent: list[str], write: Write, address: str
) -> None:
    page = signed_up
    page.on("dialog", lambda dialog: dialog.accept())
    network = Network(page, bytes_per_second=4_000_000)
    rows = 450_000
    path = write("people.csv", customers_csv(rows) + b"Person 1,person.1@example.org,,Company 1\n")
    upload(page, path)
    card = card_of(page, "people.csv")
    expect(state(card)).to_have_text("Uploading")
    wait_for_growth(card.get_by_label("Upload of people.csv"), above=CHUNK)
    card.get_by_role("button", name="Pause").click()
    expect(state(card)).to_have_text("Paused")
    expect(card.locator("[data-field=work-figures]")).to_have_text(re.compile(r"^[1-9][\d,]* imported"))

    page.reload()
    network = Network(page, bytes_per_second=-1)
    expect(card.locator("[data-field=work-figures]")).to_have_text(re.compile(r"^[1-9][\d,]* imported"))
    assert_accessible(page)
    choose(page, path)
    expect(state(card)).to_have_text("Done with 1 rejected row", timeout=60_000)
    network.set(offline=False)
    expect(card.get_by_text("450,000 imported · 1 rejected")).to_be_visible()
    assert sent == ["filename=…,lastmodified=…,kind=customers"]
    expect(card.get_by_role("link", name="Open import")).to_have_attribute("href", re.compile("^/jobs/"))
    expect(page.get_by_role("status").get_by_role("link", name="Open import")).to_be_visible()

    page.goto(f"{address}/")
    expect(card.get_by_text("MB · 450,000 imported")).to_be_visible()
    card.get_by_role("link", name="Remove").click()
    dialog = page.get_by_role("dialog", name="Remove people.csv?")
    expect(dialog.get_by_text("What it has imported stays, and")).to_be_visible()
    expect(dialog.get_by_text("The report and its downloads")).to_be_hidden()
    assert_accessible(page)
    dialog.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)


@pytest.mark.deep
def test_the_history_is_filtered_by_kind(signed_up: Page, write: Write, address: str) -> None:
    page = signed_up
    upload(page, write("people.csv", customers_csv(3)), write("sales.csv", HEADER + "Toys,2024-01-01,3\n"))
    for name in ("people.csv", "sales.csv"):
        expect(state(card_of(page, name))).to_have_text("Done")
    page.get_by_role("combobox", name="Kind").select_option("Customers")
    page.wait_for_url(f"{address}/?kind=customers")
    expect(page.locator("#jobs").get_by_role("article")).to_have_count(1)
    expect(card_of(page, "people.csv")).to_be_visible()
    page.get_by_role("combobox", name="State").select_option("Undone")
    expect(page.get_by_text("No file matches.")).to_be_visible()
    assert_accessible(page)
    page.go_back()
    expect(card_of(page, "people.csv")).to_be_visible()
    expect(page.get_by_role("combobox", name="State")).to_have_value("")
    expect(page.get_by_role("combobox", name="Kind")).to_have_value("customers")


@pytest.mark.deep
def test_an_import_that_was_undone_says_so(signed_up: Page, write: Write) -> None:
    page = signed_up
    upload(page, write("people.csv", customers_csv(3)))
    card = card_of(page, "people.csv")
    expect(state(card)).to_have_text("Done")
    page.evaluate(
        """(url) => fetch(`${url}undo`, { method: "POST", headers: {
          Accept: "application/json",
          "X-CSRFToken": document.querySelector("input[name=csrfmiddlewaretoken]").value } })""",
        card.get_by_role("link", name="Open import").get_attribute("href"),
    )
    expect(state(card)).to_have_text("Undone")
    assert_accessible(page)
    card.get_by_role("link", name="Remove").click()
    dialog = page.get_by_role("dialog", name="Remove people.csv?")
    expect(dialog.get_by_text("The import and its rejected rows are deleted")).to_be_visible()
    expect(dialog.get_by_text("What it has imported stays, and")).to_be_hidden()


@pytest.mark.deep
def test_an_e_mail_address_is_judged_as_the_server_judges_it(signed_up: Page) -> None:
    emails = [
        *("a@example.org", "A.B+c@sub.example.org", "a_b-c'd@example.co", "ü@example.org", "a@bücher.example"),
        *(
            "",
            "a",
            "a@",
            "@example.org",
            "a@b",
            "a b@example.org",
            "a@example..org",
            ".a@example.org",
            "a.@example.org",
        ),
        *(
            "a@-example.org",
            "a@example-.org",
            "a@example.org-",
            "a@example.c",
            "a@example.123",
            "a@xn--bcher-kva.xn--p1ai",
        ),
        *('"a b"@example.org', '"ab"@example.org', "a@[127.0.0.1]", "a@localhost", "a@@example.org", "a@b@example.org"),
        *(
            "a@example.org,b@example.org",
            f"{'a' * 300}@example.org",
            f"{'a' * 242}@example.org",
            f"{'a' * 243}@example.org",
        ),
    ]
    judge = pipelines()["customers"]
    expected = [judge.judge(("Name", email, "", "Company")) == [] for email in emails]  # type: ignore[attr-defined]
    assert True in expected
    told = signed_up.evaluate(
        """async (emails) => {
          const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
          const { isEmail } = await import(loaded.find((name) => /\\/values\\.[^/]*js$/.test(name)));
          return emails.map(isEmail);
        }""",
        emails,
    )
    assert dict(zip(emails, told, strict=True)) == dict(zip(emails, expected, strict=True))
