"""The main journey, in a real browser: from signing up to the downloaded totals."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.files import totals_by_csv, write_sales

SIZE = 100_000_000
# As over a good line: slow enough to see the bars move and to reload in the middle.
BYTES_PER_SECOND = 20_000_000


class Network:
    """The page's connection, which can be slow or away."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Network.enable")
        self.set(offline=False)

    def set(self, *, offline: bool) -> None:
        speed = {"latency": 5, "downloadThroughput": -1, "uploadThroughput": BYTES_PER_SECOND}
        self._session.send("Network.emulateNetworkConditions", {"offline": offline, **speed})


def value_of(bar: Locator) -> float:
    value: float = bar.evaluate("bar => bar.value")
    return value


def wait_for_growth(bar: Locator, *, above: float) -> float:
    """Wait until the bar stands above a value, and return where it stands."""
    bar.page.wait_for_function("([bar, above]) => bar.value > above", arg=[bar.element_handle(), above])
    return value_of(bar)


def test_from_sign_up_to_the_downloaded_totals(signed_up: Page, tmp_path: Path) -> None:
    page = signed_up
    path = write_sales(tmp_path / "sales 2024.csv", SIZE)
    page.on("dialog", lambda dialog: dialog.accept())
    Network(page)
    expect(page.get_by_text("No files yet")).to_be_visible()

    page.get_by_label("choose them").set_input_files(path)
    card = page.get_by_role("article")
    uploaded = card.get_by_label("Upload of sales 2024.csv")
    folded = card.get_by_label("Processing of sales 2024.csv")
    expect(card.get_by_text("Uploading")).to_be_visible()
    first = wait_for_growth(uploaded, above=0)
    wait_for_growth(uploaded, above=first)
    # Both at once: rows are counted while bytes are still being sent.
    wait_for_growth(folded, above=0)
    assert value_of(uploaded) < path.stat().st_size
    assert value_of(folded) <= value_of(uploaded)

    card.get_by_role("button", name="Pause").click()
    expect(card.get_by_text("Paused")).to_be_visible()
    card.get_by_role("button", name="Resume").click()
    expect(card.get_by_text("Uploading")).to_be_visible()

    page.reload()
    Network(page)
    kept = value_of(uploaded)
    assert 0 < kept < path.stat().st_size
    expect(card).to_have_count(1)
    page.get_by_label("choose them").set_input_files(path)
    wait_for_growth(uploaded, above=kept)
    expect(card).to_have_count(1)

    totals, rows, bad_rows = totals_by_csv(path)
    expect(card.get_by_text(f"Done with {bad_rows:,} rejected rows")).to_be_visible(timeout=60_000)
    expect(card.get_by_text(f"{rows:,} rows")).to_be_visible()
    assert value_of(uploaded) == value_of(folded) == path.stat().st_size

    card.get_by_role("link", name="Open report").click()
    expect(page.get_by_role("heading", name="sales 2024.csv").first).to_be_visible()
    table = page.get_by_role("table")
    shown = {
        row.get_by_role("cell").nth(1).inner_text(): int(row.get_by_role("cell").nth(2).inner_text().replace(",", ""))
        for row in table.get_by_role("row").all()[1:]
    }
    assert shown == totals
    assert list(shown.values()) == sorted(totals.values(), reverse=True)

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download CSV").click()
    expected = "".join(f"{name},{total}\n" for name, total in totals.items())
    assert downloading.value.suggested_filename == "sales 2024-totals.csv"
    assert Path(downloading.value.path()).read_bytes() == f"Department Name,Total Number of Sales\n{expected}".encode()

    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(re.compile("/accounts/login/"))


def test_a_file_that_is_none_says_what_to_do(signed_up: Page, tmp_path: Path) -> None:
    page = signed_up
    wrong, empty = tmp_path / "wrong.csv", tmp_path / "empty.csv"
    wrong.write_text("a,b,c\n1,2,3\n")
    empty.write_text("")
    page.get_by_label("choose them").set_input_files([wrong, empty])
    expect(page.get_by_role("alert")).to_have_text("empty.csv is empty.")
    card = page.get_by_role("article")
    expect(card.get_by_text("Failed")).to_be_visible()
    expect(card.get_by_text("The first line reads: a, b, c.")).to_be_visible()
    expect(card.get_by_role("button", name="Retry")).to_be_visible()


def test_an_upload_is_cancelled_and_another_browser_of_the_same_person_sees_it(
    signed_up: Page, address: str, tmp_path: Path
) -> None:
    page = signed_up
    other = page.context.new_page()
    other.goto(address)
    Network(page)
    page.get_by_label("choose them").set_input_files(write_sales(tmp_path / "long.csv", 60_000_000))
    for view in (page, other):
        expect(view.get_by_role("article").get_by_text("Uploading")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    for view in (page, other):
        expect(view.get_by_role("article").get_by_text("Cancelled")).to_be_visible()


def test_an_upload_waits_out_a_lost_network(signed_up: Page, tmp_path: Path, expected_trouble: list[str]) -> None:
    expected_trouble += ["ERR_INTERNET_DISCONNECTED", "WebSocket"]
    page = signed_up
    network = Network(page)
    page.get_by_label("choose them").set_input_files(write_sales(tmp_path / "long.csv", 60_000_000))
    card = page.get_by_role("article")
    wait_for_growth(card.get_by_label("Upload of long.csv"), above=0)
    network.set(offline=True)
    expect(card.get_by_text("Reconnecting")).to_be_visible()
    network.set(offline=False)
    expect(card.get_by_text("Done with")).to_be_visible(timeout=60_000)
