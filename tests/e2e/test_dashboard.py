"""The dashboard in a browser: choosing, checking, sending and finding files."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Request, WebSocketRoute, expect

from tests.e2e.axe import assert_accessible
from tests.e2e.conftest import MakeContext
from tests.e2e.dashboard import card_of, choose, review_of, state, upload
from tests.e2e.network import Network, value_of, wait_for_growth
from tests.files import HEADER, sales_csv, write_sales

CHUNK = 16 * 1024 * 1024
SLOW = 2_000_000


@pytest.fixture
def another(new_context: MakeContext) -> Callable[..., Page]:
    """another(storage_state=…) -> a page of another browser."""
    return lambda **options: new_context(**options).new_page()


def result_of(card: Locator) -> str:
    """The downloaded result of a job that is done."""
    expect(state(card)).to_contain_text("Done")
    link = card.get_by_role("link", name="Open report").get_attribute("href")
    text: str = card.page.evaluate("url => fetch(url).then((answer) => answer.text())", f"{link}result.csv")
    return text


@pytest.mark.deep
def test_five_files_at_once_are_sent_three_at_a_time(signed_up: Page, write: Callable[..., Path]) -> None:
    page = signed_up
    assert_accessible(page)
    network = Network(page, bytes_per_second=SLOW // 2)
    names = [f"{name}.csv" for name in ("north", "east", "south", "west", "centre")]
    choose(page, *(write(name, sales_csv(50_000)) for name in names))
    expect(page.get_by_role("button", name="Start upload")).to_have_count(5)
    assert_accessible(page)
    page.get_by_role("button", name="Start all (5)").click()
    expect(card_of(page, "west.csv").get_by_text("Place 1 in the queue")).to_be_visible()
    expect(card_of(page, "centre.csv").get_by_text("Place 2 in the queue")).to_be_visible()
    expect(page.locator("[data-state=uploading]")).to_have_count(3)
    expect(page.get_by_text("0 of 5 uploaded")).to_be_visible()
    expect(page.get_by_text(re.compile("of 5 uploaded · .*B/s"))).to_be_visible()
    page.get_by_role("button", name="Pause: north.csv").click()
    expect(state(card_of(page, "west.csv"))).to_have_text("Uploading")
    page.get_by_role("button", name="Resume: north.csv").click()
    network.bytes_per_second = -1
    network.set(offline=False)
    for name in names:
        expect(state(card_of(page, name))).to_have_text("Done")
        expect(card_of(page, name).get_by_text("50,000 rows")).to_be_visible()
    expect(page.get_by_text("of 5 uploaded")).to_have_count(0)
    # The later ones take the places of the earlier ones.
    expect(page.get_by_role("status").get_by_role("link", name="Open report")).to_have_count(3)
    assert_accessible(page)


@pytest.mark.deep
def test_files_may_be_dropped_anywhere(signed_up: Page) -> None:
    page = signed_up
    files = page.evaluate_handle(
        """(text) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([text], "dropped.csv"));
          transfer.items.add(new File([text + "Toys,never,1\\n"], "too.csv"));
          return transfer;
        }""",
        HEADER + "Toys,2024-01-01,3\n",
    )
    target = page.get_by_text("Drop to add")
    expect(target).to_be_hidden()
    page.dispatch_event("footer, header, body", "dragover", {"dataTransfer": files})
    expect(target).to_be_visible()
    page.dispatch_event("body", "dragleave", {"dataTransfer": files})
    expect(target).to_be_hidden()
    page.dispatch_event("#jobs-heading", "dragover", {"dataTransfer": files})
    page.dispatch_event("#jobs-heading", "drop", {"dataTransfer": files})
    expect(target).to_be_hidden()
    page.get_by_role("button", name="Start all (2)").click()
    expect(state(card_of(page, "dropped.csv"))).to_have_text("Done")
    expect(state(card_of(page, "too.csv"))).to_have_text("Done with 1 rejected row")


def test_columns_with_other_names_are_shown_and_chosen(signed_up: Page, write: Callable[..., Path]) -> None:
    page = signed_up
    rows = "".join(f"Köln;0{day}.01.2024;{day}.50;a;x\n" for day in range(1, 8))
    choose(page, write("takings.csv", f"Region;Tag;Käufe;Note;Note\n{rows}".encode("windows-1252")))
    review = review_of(page, "takings.csv")
    expect(review.get_by_text("Windows-1252 · 5 columns")).to_be_visible()
    expect(review.get_by_role("alert")).to_have_text(re.compile("No columns for Department and Sales were found"))
    expect(review.get_by_role("button", name="Start upload")).to_be_disabled()
    preview = review.get_by_role("region", name="First rows of takings.csv")
    expect(preview.get_by_role("row")).to_have_count(6)
    expect(preview.get_by_role("row").nth(1)).to_have_text("Köln01.01.20241.50ax")
    # A name that stands there twice can be chosen once, as the server takes the first.
    expect(review.get_by_label("Sales", exact=True).get_by_role("option")).to_have_text(
        ["choose…", "Region", "Tag", "Käufe", "Note"]
    )
    review.get_by_label("Department").select_option("Region")
    expect(review.get_by_role("alert")).to_have_text(re.compile("No column for Sales was found"))
    review.get_by_label("Sales", exact=True).select_option("Region")
    expect(review.get_by_role("alert")).to_have_text(
        re.compile("Department, Date,? and Sales must be different columns.")
    )
    review.get_by_label("Sales", exact=True).select_option("Käufe")
    expect(review.get_by_label("Amounts")).to_be_checked()
    review.get_by_label("Date").select_option("Tag")
    expect(review.get_by_text("Most dates are not written YYYY-MM-DD, such as “01.01.2024”.")).to_be_visible()
    assert_accessible(page)
    review.get_by_label("Date").select_option("none – do not check dates")
    expect(preview.get_by_role("columnheader")).to_have_text(
        ["Region Department", "Tag", "Käufe Sales", "Note", "Note"]
    )
    review.get_by_role("button", name="Start upload").click()
    expect(review).to_have_count(0)
    assert result_of(card_of(page, "takings.csv")) == "Department Name,Total Number of Sales\nKöln,31.50\n"


@pytest.mark.deep
def test_only_what_the_server_would_not_find_itself_is_sent_with_the_file(
    signed_up: Page, write: Callable[..., Path]
) -> None:
    page = signed_up
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/uploads/"):
            sent.append(",".join(pair.split(" ")[0] for pair in request.headers["upload-metadata"].split(",")))

    page.on("request", note)
    usual = HEADER + "Toys,2024-01-01,3\n"
    upload(page, write("usual.csv", usual))
    expect(page.get_by_role("heading", name="Your files")).to_be_focused()
    expect(state(card_of(page, "usual.csv"))).to_have_text("Done")
    choose(page, write("dateless.csv", usual + "Toys,never,4\n"))
    page.get_by_label("Date", exact=True).select_option("none – do not check dates")
    page.get_by_role("button", name="Start upload").click()
    assert result_of(card_of(page, "dateless.csv")).endswith("Toys,7\n")
    assert sent == ["filename,lastmodified", "filename,lastmodified,date"]


@pytest.mark.deep
def test_amounts_are_proposed_where_there_are_some(signed_up: Page, write: Callable[..., Path]) -> None:
    page = signed_up
    choose(
        page,
        write("money.csv", "Dept\tSales\nToys\t3.50\nToys\t-1\nBooks\t2\n"),
        write("plain.csv", "Dept,Sales\nToys,3\n"),
    )
    money, plain = review_of(page, "money.csv"), review_of(page, "plain.csv")
    plain.get_by_text("Columns and first rows").click()
    expect(plain.get_by_label("Amounts")).not_to_be_checked()
    money.get_by_text("Columns and first rows").click()
    expect(money.get_by_label("Amounts")).to_be_checked()
    expect(money.get_by_text("On, since there are values such as “3.50”.")).to_be_visible()
    money.get_by_label("Amounts").uncheck()
    expect(money.get_by_text("Without it, rows with values such as “3.50” are rejected.")).to_be_visible()
    money.get_by_label("Amounts").check()
    page.get_by_role("button", name="Start all (2)").click()
    assert result_of(card_of(page, "money.csv")).endswith("Sales\nBooks,2.00\nToys,2.50\n")
    assert result_of(card_of(page, "plain.csv")).endswith("Sales\nToys,3\n")


@pytest.mark.deep
def test_a_packed_file_is_looked_into_although_only_its_beginning_is_read(
    signed_up: Page, write: Callable[..., Path]
) -> None:
    page = signed_up
    path = write("sales.csv.gz", gzip.compress(sales_csv(60_000, departments=7)))
    assert path.stat().st_size > 200_000
    choose(page, path)
    review = review_of(page, "sales.csv.gz")
    expect(review.get_by_text("gzip, UTF-8 · 3 columns")).to_be_visible()
    expect(review.get_by_label("Department")).to_have_value("0")
    expect(review.get_by_role("row")).to_have_count(6)
    review.get_by_role("button", name="Start upload").click()
    expect(card_of(page, "sales.csv.gz").get_by_text("60,000 rows")).to_be_visible()
    expect(state(card_of(page, "sales.csv.gz"))).to_have_text("Done")


@pytest.mark.deep
@pytest.mark.parametrize(
    ("contents", "about", "first"),
    [
        (b"Toys,2024-01-01,3\nBooks,2024-01-02,4\n", "no header", "Toys2024-01-013"),
        (b"\xef\xbb\xbf" + HEADER.encode() + b'"K ""a"", b\nc",2024-01-01,1\n', "UTF-8 ·", 'K "a", b\nc2024-01-011'),
        (("Dept|Sales\r\nÄ|1\r\n").encode("utf-16"), "UTF-16 · 2 columns", "Ä1"),
    ],
    ids=["no header", "byte order mark and quotes", "utf-16"],
)  # fmt: skip
def test_files_are_read_as_the_server_reads_them(
    signed_up: Page, write: Callable[..., Path], contents: bytes, about: str, first: str
) -> None:
    page = signed_up
    choose(page, write("some.csv", contents))
    review = review_of(page, "some.csv")
    expect(review.get_by_text(about)).to_be_visible()
    cells = review.locator("tbody tr").first.locator("td")
    assert "".join(cells.all_text_contents()) == first
    review.get_by_role("button", name="Start upload").click()
    expect(state(card_of(page, "some.csv"))).to_have_text("Done")


@pytest.mark.deep
def test_what_cannot_work_is_refused_with_the_reason_and_the_others_go_on(
    signed_up: Page, write: Callable[..., Path]
) -> None:
    page = signed_up
    choose(
        page,
        write("empty.csv", ""),
        write("image.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        write("book.csv", b"PK\x03\x04" + b"\0\1\2" * 100),
        write("broken.csv.gz", b"\x1f\x8b\x08 no gzip at all"),
        write("good.csv", HEADER + "Toys,2024-01-01,3\n"),
        write("narrow.csv", "only\n1\n"),
    )
    alert = page.locator("#upload-problems")
    expect(alert.get_by_text("empty.csv is empty.")).to_be_visible()
    expect(alert.get_by_text("image.csv is no text.")).to_be_visible()
    expect(alert.get_by_text("book.csv is a workbook")).to_be_visible()
    expect(alert.get_by_text("broken.csv.gz cannot be unpacked.")).to_be_visible()
    narrow = review_of(page, "narrow.csv")
    expect(narrow.get_by_text("The first line has only one column.")).to_be_visible()
    assert_accessible(page)
    narrow.get_by_role("button", name="Remove from list").click()
    expect(review_of(page, "good.csv").get_by_role("button", name="Start upload")).to_be_focused()
    page.keyboard.press("Enter")
    expect(state(card_of(page, "good.csv"))).to_have_text("Done")


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(signed_up: Page, write: Callable[..., Path]) -> None:
    page = signed_up
    # Before the page's own scripts read it.
    page.add_init_script(
        "document.addEventListener('readystatechange',"
        " () => { document.getElementById('upload-form').dataset.maxBytes = '50'; })"
    )
    page.reload()
    choose(page, write("large.csv", "x" * 51))
    expect(page.get_by_role("alert")).to_have_text("large.csv has 51 B. A file may have at most 50 B: split it.")


def test_a_job_that_failed_says_why(signed_up: Page, write: Callable[..., Path]) -> None:
    page = signed_up
    # The look at the first rows shows nothing wrong: the file ends in the middle.
    upload(page, write("cut.csv.gz", gzip.compress(sales_csv(40_000))[:-100]))
    card = card_of(page, "cut.csv.gz")
    expect(state(card)).to_have_text("Failed")
    expect(card.get_by_text("The gzip file cannot be unpacked: it ends in the middle.")).to_be_visible()
    expect(card.get_by_role("button", name="Retry")).to_be_visible()
    expect(page.get_by_role("status").get_by_role("link", name="See why")).to_be_visible()
    assert_accessible(page)


@pytest.mark.deep
def test_an_upload_waits_out_a_lost_network(signed_up: Page, tmp_path: Path, expected_trouble: list[str]) -> None:
    expected_trouble += ["ERR_INTERNET_DISCONNECTED", "WebSocket"]
    page = signed_up
    network = Network(page, bytes_per_second=10_000_000)
    upload(page, write_sales(tmp_path / "long.csv", 2 * CHUNK))
    card = card_of(page, "long.csv")
    wait_for_growth(card.get_by_label("Upload of long.csv"), above=0)
    network.set(offline=True)
    expect(state(card)).to_have_text("Reconnecting")
    network.bytes_per_second = -1
    network.set(offline=False)
    expect(state(card)).to_contain_text("Done with")


def test_after_a_reload_the_file_is_asked_for_and_goes_on_at_the_byte(signed_up: Page, tmp_path: Path) -> None:
    page = signed_up
    page.on("dialog", lambda dialog: dialog.accept())
    network = Network(page)
    path = write_sales(tmp_path / "long.csv", 2 * CHUNK)
    upload(page, path)
    card = card_of(page, "long.csv")
    wait_for_growth(card.get_by_label("Upload of long.csv"), above=CHUNK)
    page.reload()
    network = Network(page, bytes_per_second=-1)
    expect(state(card)).to_have_text("Waiting for the file")
    expect(card.get_by_text("16.8 MB have arrived. Choose long.csv again to go on from there.")).to_be_visible()
    assert value_of(card.get_by_label("Upload of long.csv")) == CHUNK
    # Another file of this name is another upload.
    other = tmp_path / "other" / "long.csv"
    other.parent.mkdir()
    other.write_text(HEADER)
    choose(page, other)
    review_of(page, "long.csv").get_by_role("button", name="Remove from list").click()
    with page.expect_request(lambda request: request.method == "PATCH") as sending:
        choose(page, path)
    assert sending.value.headers["upload-offset"] == str(CHUNK)
    expect(state(card)).to_contain_text("Done with")
    expect(page.locator("#jobs").get_by_role("article")).to_have_count(1)
    network.set(offline=False)


def test_cancel_retry_and_remove(signed_up: Page, tmp_path: Path, address: str) -> None:
    page = signed_up
    other = page.context.new_page()
    other.goto(address)
    page.bring_to_front()
    network = Network(page, bytes_per_second=SLOW)
    path = write_sales(tmp_path / "long.csv", 6_000_000)
    upload(page, path)
    card = card_of(page, "long.csv")
    expect(state(card)).to_have_text("Uploading")
    assert_accessible(page)
    card.get_by_role("button", name="Cancel").click()
    for view in (page, other):
        expect(state(card_of(view, "long.csv"))).to_have_text("Cancelled")
    expect(card.get_by_role("button", name="Retry")).to_be_focused()
    # The page still knows the file, and sends it.
    card.get_by_role("button", name="Retry").click()
    expect(state(card)).to_have_text("Uploading")
    wait_for_growth(card.get_by_label("Upload of long.csv"), above=0)
    card.get_by_role("button", name="Cancel").click()
    expect(state(card)).to_have_text("Cancelled")
    # A page that does not know it asks.
    page.reload()
    network = Network(page, bytes_per_second=-1)
    card.get_by_role("button", name="Retry").click()
    expect(state(card)).to_have_text("Waiting for the file")
    expect(card.get_by_text("Choose long.csv again")).to_be_visible()
    choose(page, path)
    expect(state(card)).to_contain_text("Done with")
    network.set(offline=False)

    dialog = page.get_by_role("dialog", name="Remove long.csv?")
    remove = card.get_by_role("link", name="Remove")
    remove.focus()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(remove).to_be_focused()
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0)
    expect(page.get_by_text("Nothing is left on this page.")).to_be_visible()
    expect(page.get_by_role("heading", name="Your files")).to_be_focused()
    expect(card_of(other, "long.csv")).to_have_count(0)


def test_each_person_sees_live_exactly_what_is_theirs(
    signed_up: Page, another: Callable[..., Page], address: str, tmp_path: Path, write: Callable[..., Path]
) -> None:
    page = signed_up
    second = another(storage_state=page.context.storage_state())
    stranger = another()
    stranger.goto(f"{address}/accounts/signup/")
    stranger.get_by_label("Email").fill(f"stranger-{tmp_path.name}@example.org")
    stranger.get_by_label("Password", exact=True).fill("correct horse battery")
    stranger.get_by_label("Password (again)").fill("correct horse battery")
    stranger.get_by_role("button", name="Sign Up").click()
    stranger.wait_for_url(f"{address}/")
    second.goto(address)
    upload(page, write("mine.csv", sales_csv(1000)))
    upload(stranger, write("theirs.csv", sales_csv(2000)))
    for view, name, rows in (
        (page, "mine.csv", "1,000"),
        (second, "mine.csv", "1,000"),
        (stranger, "theirs.csv", "2,000"),
    ):
        expect(state(card_of(view, name))).to_have_text("Done")
        expect(card_of(view, name).get_by_text(f"{rows} rows").last).to_be_visible()
        expect(view.locator("#jobs").get_by_role("article")).to_have_count(1)


CREATE = """async ([count, name]) => {
  const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
  for (let number = 1; number <= count; number += 1) {
    await fetch("/uploads/", { method: "POST", headers: {
      "X-CSRFToken": token, "Tus-Resumable": "1.0.0", "Upload-Length": "10",
      "Upload-Metadata": `filename ${btoa(`${name} ${number}.csv`)}` } });
  }
}"""
SHIFTS = """window.shifted = 0;
new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
  window.shifted += entry.hadRecentInput ? 0 : entry.value;
})).observe({ type: "layout-shift", buffered: true });"""


@pytest.mark.deep
def test_the_history_is_paged_filtered_and_searched_while_an_upload_goes_on(
    signed_up: Page, tmp_path: Path, address: str
) -> None:
    page = signed_up
    page.evaluate(CREATE, [22, "old"])
    page.context.add_init_script(SHIFTS)
    page.goto(address)
    articles = page.locator("#jobs").get_by_role("article")
    expect(articles).to_have_count(20)
    expect(articles.first).to_contain_text("old 22.csv")
    network = Network(page, bytes_per_second=SLOW)
    upload(page, write_sales(tmp_path / "new.csv", 12_000_000))
    expect(articles.first).to_contain_text("new.csv")
    page.get_by_role("link", name="Older").click()
    page.wait_for_url(f"{address}/?page=2")
    expect(page.get_by_role("heading", name="Your files")).to_be_focused()
    # What this page is sending stays in sight.
    expect(articles).to_have_count(4)
    expect(articles.first).to_contain_text("new.csv")
    expect(state(articles.first)).to_have_text("Uploading")
    page.get_by_role("button", name="Pause: new.csv").click()
    page.get_by_role("combobox", name="State").select_option("Failed")
    expect(state(articles.first)).to_have_text("Paused")
    page.get_by_role("button", name="Resume: new.csv").click()
    expect(page.get_by_text("No file matches.")).to_be_hidden()
    expect(articles).to_have_count(1)
    network.bytes_per_second = -1
    network.set(offline=False)
    expect(state(articles.first)).to_contain_text("Done with")
    page.get_by_role("combobox", name="State").select_option("Cancelled")
    expect(page.get_by_text("No file matches.")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Show all files").click()
    expect(articles).to_have_count(20)
    page.get_by_role("searchbox").fill("OLD 2")
    page.keyboard.press("Enter")
    expect(articles).to_have_count(4)
    page.wait_for_url(f"{address}/?q=OLD+2")
    expect(page.get_by_role("status")).to_contain_text("4 files")
    page.go_back()
    expect(articles).to_have_count(20)
    expect(page.get_by_role("searchbox")).to_have_value("")
    # Nothing of all this left the page.
    assert page.evaluate("performance.getEntriesByType('navigation')[0].name") == f"{address}/"


@pytest.mark.deep
def test_a_new_job_comes_on_top_of_the_newest_and_nowhere_else(signed_up: Page, address: str) -> None:
    page = signed_up
    page.evaluate(CREATE, [1, "one"])
    filtered = page.context.new_page()
    filtered.goto(f"{address}/?state=running")
    expect(card_of(filtered, "one 1.csv")).to_be_visible()
    page.evaluate(CREATE, [1, "two"])
    expect(page.locator("#jobs").get_by_role("article").first).to_contain_text("two 1.csv")
    card_of(filtered, "one 1.csv").get_by_role("button", name="Cancel").click()
    # It stays where it is, and says what it is.
    expect(state(card_of(filtered, "one 1.csv"))).to_have_text("Cancelled")
    expect(state(card_of(page, "one 1.csv"))).to_have_text("Cancelled")
    expect(card_of(filtered, "two 1.csv")).to_have_count(0)


@pytest.mark.deep
def test_nothing_moves_while_the_page_comes_to_life(signed_up: Page, address: str) -> None:
    page = signed_up
    page.evaluate(CREATE, [5, "some"])
    page.context.add_init_script(SHIFTS)
    page.goto(address)
    # A sign that the first snapshot has been told.
    expect(page.get_by_role("button", name="Cancel: some 5.csv")).to_be_visible()
    assert page.evaluate("window.shifted") < 0.01


@pytest.mark.deep
def test_the_history_works_without_scripts(signed_up: Page, another: Callable[..., Page], address: str) -> None:
    signed_up.evaluate(CREATE, [21, "plain"])
    page = another(storage_state=signed_up.context.storage_state(), java_script_enabled=False)
    page.goto(address)
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#jobs").get_by_role("article")).to_have_count(1)
    page.get_by_role("searchbox").fill("plain 21")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#jobs").get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("heading", name="plain 21.csv")).to_be_visible()


@pytest.mark.deep
def test_a_lost_live_connection_is_told_and_made_up_for(signed_up: Page, address: str) -> None:
    page = signed_up
    page.evaluate(CREATE, [2, "before"])
    sockets: list[WebSocketRoute] = []
    is_down = False

    def connect(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if is_down:
            socket.close()
        else:
            socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/jobs/"), connect)
    page.goto(address)
    told = page.get_by_text("Live updates are interrupted. Reconnecting…")
    expect(page.get_by_role("button", name="Cancel: before 2.csv")).to_be_visible()
    is_down = True
    sockets[0].close()
    expect(told).to_be_visible()
    # Meanwhile, elsewhere: one is cancelled and removed, one is new.
    other = page.context.new_page()
    other.goto(address)
    card_of(other, "before 1.csv").get_by_role("button", name="Cancel").click()
    card_of(other, "before 1.csv").get_by_role("link", name="Remove").click()
    other.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(card_of(other, "before 1.csv")).to_have_count(0)
    other.evaluate(CREATE, [1, "after"])
    is_down = False
    expect(told).to_be_hidden(timeout=20_000)
    expect(card_of(page, "before 1.csv")).to_have_count(0)
    expect(card_of(page, "before 2.csv")).to_be_visible()
    expect(card_of(page, "after 1.csv")).to_be_visible()


@pytest.mark.deep
def test_page_does_not_reload_forever_if_sockets_have_no_session(signed_up: Page, address: str) -> None:
    """A proxy removes the cookies of sockets, but not those of pages."""
    page, sockets, loads = signed_up, [0], [0]

    def refuse(socket: WebSocketRoute) -> None:
        sockets[0] += 1
        socket.close(code=4401, reason="")

    def count(_page: Page) -> None:
        loads[0] += 1

    page.route_web_socket(re.compile("/ws/jobs/"), refuse)
    page.on("load", count)
    page.goto(address)
    expect(page.get_by_text("Live updates are interrupted. Reconnecting…")).to_be_visible()
    while sockets[0] < 3:
        page.wait_for_timeout(50)
    assert loads == [1]


def test_cancelled_upload_does_not_start_again(signed_up: Page) -> None:
    """The job is cancelled while its paused upload is about to resume."""
    assert signed_up.evaluate(RESUME_AND_STOP) == {"starts": 0, "states": ["uploading", None]}


@pytest.mark.deep
def test_jobs_are_cancelled_and_removed_while_the_live_connection_says_nothing(signed_up: Page, address: str) -> None:
    page = signed_up
    page.evaluate(CREATE, [3, "silent"])
    page.route_web_socket(re.compile("/ws/jobs/"), lambda socket: None)
    page.goto(address)
    first, second, third = (card_of(page, f"silent {number}.csv") for number in (1, 2, 3))
    first.get_by_role("button", name="Cancel").click()
    expect(state(first)).to_have_text("Cancelled")
    first.get_by_role("link", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(first).to_have_count(0)
    second.get_by_role("button", name="Cancel").click()
    expect(state(second)).to_have_text("Cancelled")
    page.reload()
    second.get_by_role("link", name="Remove").click()
    page.wait_for_url(re.compile("/remove$"))
    page.get_by_role("button", name="Remove").click()
    expect(second).to_have_count(0)
    third.get_by_role("link", name="silent 3.csv").click()
    page.get_by_role("button", name="Cancel").click()
    expect(state(page.get_by_role("article"))).to_have_text("Cancelled")


@pytest.mark.deep
def test_jobs_are_cancelled_and_retried_without_scripts(
    signed_up: Page, another: Callable[..., Page], address: str
) -> None:
    signed_up.evaluate(CREATE, [1, "plain"])
    page = another(storage_state=signed_up.context.storage_state(), java_script_enabled=False)
    page.goto(address)
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url(re.compile("/jobs/"))
    expect(state(page.get_by_role("article"))).to_have_text("Cancelled")
    page.goto(address)
    expect(state(card_of(page, "plain 1.csv"))).to_have_text("Cancelled")
    page.get_by_role("button", name="Retry").click()
    page.wait_for_url(re.compile("/jobs/"))
    expect(state(page.get_by_role("article"))).to_have_text("Uploading")


# Upload a file by the page's own module, and stop the upload while it resumes. Count how often it starts after that.
RESUME_AND_STOP = """async () => {
  const script = [...document.scripts].map((one) => one.src).find((src) => src.includes("dashboard"));
  const source = await (await fetch(script)).text();
  const path = new URL(source.match(/from "([^"]*uploads[^"]*)"/)[1], script);
  const { Uploader } = await import(path);
  const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
  const uploader = new Uploader({ url: "/uploads/", csrfToken: token, chunkBytes: 1000 });
  const file = new File(["Department,Sales\\n"], "short.csv");
  const states = [];
  const sending = uploader.send(await uploader.create(file), file, (state) => states.push(state?.state ?? null));
  let starts = 0;
  await sending.pause();
  sending.upload.start = () => { starts += 1; };
  states.length = 0;
  const resumed = sending.resume();
  await sending.stop();
  await resumed;
  return { starts, states };
}"""

NOTIFICATIONS = """window.told = [];
window.Notification = class extends EventTarget {
  static permission = "default";
  static async requestPermission() { this.permission = "granted"; return "granted"; }
  constructor(title, options) { super(); window.told.push(`${title}: ${options.body}`); }
};
window.isHidden = false;
Object.defineProperty(document, "hidden", { get: () => window.isHidden });
window.hide = (hidden) => { window.isHidden = hidden; document.dispatchEvent(new Event("visibilitychange")); };"""


@pytest.mark.deep
def test_a_finished_job_tells_in_the_page_in_the_title_and_by_notification(
    signed_up: Page, write: Callable[..., Path], address: str
) -> None:
    page = signed_up
    page.context.add_init_script(NOTIFICATIONS)
    page.goto(address)
    notify = page.get_by_role("button", name="Notify me")
    expect(notify).to_have_attribute("aria-pressed", "false")
    page.evaluate("hide(true)")
    upload(page, write("quiet.csv", sales_csv(10)))
    expect(page).to_have_title("✓ quiet.csv – Salesagg")
    toast = page.get_by_role("status").filter(has_text="quiet.csv Done")
    expect(toast.get_by_role("link", name="Open report")).to_have_attribute("href", re.compile("^/jobs/"))
    assert page.evaluate("told") == []
    page.evaluate("hide(false)")
    expect(page).to_have_title("Dashboard – Salesagg")
    toast.get_by_role("button", name="Dismiss").click()
    expect(page.locator(".notice")).to_have_count(0)

    notify.click()
    expect(notify).to_have_attribute("aria-pressed", "true")
    page.evaluate("hide(true)")
    upload(page, write("loud.csv", sales_csv(10, bad_every=5)))
    page.wait_for_function("() => told.length > 0")
    assert page.evaluate("told") == ["loud.csv: Done with 2 rejected rows"]
    page.evaluate("hide(false)")
    notify.click()
    expect(notify).to_have_attribute("aria-pressed", "false")


@pytest.mark.deep
def test_the_real_permission_is_asked_for(signed_up: Page, address: str) -> None:
    page = signed_up
    page.context.grant_permissions(["notifications"], origin=address)
    page.reload()
    assert page.evaluate("Notification.permission") == "granted"
    expect(page.get_by_role("button", name="Notify me")).to_have_attribute("aria-pressed", "true")
