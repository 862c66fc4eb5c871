"""The admin in a browser: under the same policy as every page, and able to act."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.files import write_sales
from tests.services.site import EMAIL, PASSWORD
from tests.services.tus import upload


def test_an_operator_finds_a_job_and_retries_it(page: Page, address: str, token: str, tmp_path: Path) -> None:
    path = tmp_path / "no sales.csv"
    path.write_text("a,b\n1,2\n")
    upload(address, token, path)
    upload(address, token, write_sales(tmp_path / "good.csv", 100_000))
    page.goto(f"{address}/admin/")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Jobs").first.click()
    row = page.get_by_role("row", name="no sales.csv")
    expect(row).to_contain_text("Failed")
    expect(row).to_contain_text("missing_columns")
    row.get_by_role("checkbox").check()
    page.get_by_label("Action:").select_option("retry")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_text("no sales.csv (pending) will run again.")).to_be_visible()
    page.get_by_role("link", name="Completed").click()
    page.get_by_role("link", name="good.csv").click()
    expect(page.get_by_text("Bytes of the upload folded and checkpointed")).to_be_visible()
    for model in ("uploads/upload", "accounts/user", "accounts/apitoken"):
        page.goto(f"{address}/admin/{model}/")
        expect(page.get_by_role("searchbox").or_(page.get_by_role("textbox")).first).to_be_visible()
