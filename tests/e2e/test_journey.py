"""The main journey, in a real browser: from signing up to the downloaded totals."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.network import Network, value_of, wait_for_growth
from tests.files import totals_by_csv, write_sales

SIZE = 100_000_000


def test_from_sign_up_to_the_downloaded_totals(signed_up: Page, tmp_path: Path) -> None:
    page = signed_up
    path = write_sales(tmp_path / "sales 2024.csv", SIZE)
    page.on("dialog", lambda dialog: dialog.accept())
    # As over a good line: slow enough to see the bars move and to reload in the middle.
    Network(page)
    expect(page.get_by_text("No files yet")).to_be_visible()

    page.get_by_label("choose them").set_input_files(path)
    page.get_by_role("button", name="Start upload").click()
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
    expect(card.get_by_text("Paused", exact=True)).to_be_visible()
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
    table = page.get_by_role("table", name="Totals per department")
    expect(table.get_by_role("rowheader")).to_have_count(len(totals))
    shown = {
        row.get_by_role("rowheader").inner_text(): int(row.get_by_role("cell").nth(1).inner_text().replace(",", ""))
        for row in table.get_by_role("row").all()[1:]
    }
    assert shown == totals
    assert list(shown.values()) == sorted(totals.values(), reverse=True)

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download CSV").click()
    expected = "".join(f'"{name}","{total}"\n' for name, total in totals.items())
    assert downloading.value.suggested_filename == "sales 2024-totals.csv"
    header = '"Department Name","Total Number of Sales"\n'
    assert Path(downloading.value.path()).read_bytes() == f"{header}{expected}".encode()

    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(re.compile("/accounts/login/"))
