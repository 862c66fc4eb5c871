"""`make screenshots`: every page in every state, on a desktop and a phone, in light and dark, to be looked at.

They go to ``DATA_DIR/screenshots``, named ``<page>-<desktop|phone>-<light|dark>.png``.
"""

import os
import random
import re
import shutil
import sys
import tempfile
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.axe import SCHEMES, use_scheme
from tests.e2e.network import Network
from tests.files import write_sales
from tests.services.site import EMAIL, PASSWORD, Site
from tests.services.tus import upload, uploading

WIDTHS = {"desktop": 1200, "phone": 390}
HEIGHT = 900
NAMES = (
    *("Books", "Clothing", "Electronics", "Garden", "Groceries", "Home & Kitchen", "Music"),
    *("Office", "Pets", "Shoes", "Sports, Outdoor", "Toys", "Travel", "Wine"),
)
FORENAMES = ("Ada", "Bram", "Chiara", "Dmitri", "Elif", "Femi", "Grace", "Hiro")
SURNAMES = ("Adams", "Berger", "Costa", "Diaz", "Eriksen", "Fournier", "Grant")


class Gallery:
    """Takes pictures of a page as it stands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def take(self, page: Page, name: str) -> None:
        for device, width in WIDTHS.items():
            page.set_viewport_size({"width": width, "height": HEIGHT})
            for scheme in SCHEMES:
                use_scheme(page, scheme)
                # Two frames: what depends on size or colours has been drawn anew then.
                page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
                page.screenshot(path=self.folder / f"{name}-{device}-{scheme}.png", full_page=True)
                self.count += 1


def sales(path: Path, rows: int, *, bad_every: int = 0) -> Path:
    """A file like those of a shop: some departments larger than others, a slow December excepted."""
    numbers = random.Random(7)
    with path.open("w") as file:
        file.write("Department Name,Date,Number of Sales,Region\n")
        for row in range(1, rows + 1):
            name = NAMES[min(int(numbers.expovariate(0.22)), len(NAMES) - 1)]
            name = f'"{name}"' if "," in name else name
            day = date(2024, 1, 1) + timedelta(days=int(366 * numbers.triangular(0, 1, 0.9)) % 366)
            count = "a dozen" if bad_every and row % bad_every == 0 else str(numbers.randrange(1, 60))
            file.write(f"{name},{day if row % 1999 else '2024-02-30'},{count},North\n")
    return path


def log_in(page: Page, address: str, email: str = EMAIL) -> None:
    page.goto(f"{address}/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("main").get_by_role("button").first.click()
    page.wait_for_url(f"{address}/")


def ways_in(gallery: Gallery, page: Page, address: str) -> None:
    for name in ("login", "signup", "password/reset"):
        page.goto(f"{address}/accounts/{name}/")
        gallery.take(page, name.replace("/", "-"))
    page.goto(f"{address}/accounts/login/")
    page.get_by_label("Email").fill("nobody@example.org")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.locator("main").get_by_role("button").first.click()
    gallery.take(page, "login-refused")


def dashboard(gallery: Gallery, page: Page, address: str, token: str, folder: Path) -> None:
    page.goto(address)
    gallery.take(page, "dashboard-empty")
    good = sales(folder / "sales-2024.csv", 60_000)
    rejects = sales(folder / "sales-north.csv", 40_000, bad_every=700)
    shops = folder / "takings.csv"
    shops.write_text("Shop;Day;Takings\nMain street;2024-01-02;12.50\nHarbour;2024-01-02;-2\n")
    page.get_by_label("Choose files").set_input_files([good, shops])
    expect(page.get_by_role("button", name=re.compile("Start all"))).to_be_visible()
    gallery.take(page, "dashboard-review")
    page.get_by_role("button", name="Remove all").click()
    for path in (shops, rejects, good):
        upload(address, token, path)
    expect(page.locator("#history").get_by_role("link", name="Open report")).to_have_count(2)
    long = [write_sales(folder / f"{name}.csv", 30_000_000) for name in ("march", "april", "may", "june")]
    Network(page, bytes_per_second=400_000)
    page.get_by_label("Choose files").set_input_files(long)
    page.get_by_role("button", name=re.compile("Start all")).click()
    expect(page.get_by_text("Queued", exact=False).first).to_be_visible()
    page.get_by_role("button", name="Pause").first.click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    gallery.take(page, "dashboard-uploading")
    page.get_by_role("link", name="Remove").or_(page.get_by_role("button", name="Remove")).last.click()
    gallery.take(page, "dashboard-remove")
    page.keyboard.press("Escape")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{address}/?q=nothing")
    gallery.take(page, "dashboard-no-match")


def reports(gallery: Gallery, page: Page, address: str, token: str, folder: Path, stranger: Page) -> None:
    page.goto(f"{address}/?q=sales-north")
    page.locator("#history").get_by_role("link", name="Open report").first.click()
    expect(page.get_by_role("heading", name="Totals per department")).to_be_visible()
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label(re.compile("Link, open until")).input_value()
    gallery.take(page, "report")
    stranger.goto(link)
    gallery.take(stranger, "report-shared")
    page.get_by_role("button", name="Revoke").click()
    stranger.reload()
    gallery.take(stranger, "report-link-revoked")
    page.get_by_role("link", name="Remove this report").click()
    gallery.take(page, "report-remove")
    page.goto(f"{address}/?q=takings")
    page.get_by_role("link", name="takings.csv", exact=True).click()
    gallery.take(page, "report-failed")
    coming = write_sales(folder / "coming.csv", 70_000_000, departments=30)
    with uploading(address, token, coming) as uploader:
        uploader.upload(stop_at=50_000_000)
        page.goto(f"{address}/?q=coming")
        page.get_by_role("link", name="coming.csv", exact=True).click()
        expect(page.get_by_text("Partial totals.")).to_be_visible()
        gallery.take(page, "report-partial")


def people(path: Path, rows: int, *, bad_every: int = 0, first: int = 1) -> Path:
    """A file of customers, some of whom have no address, or none that could be one."""
    with path.open("w") as file:
        file.write("name,email,phone,company\n")
        for row in range(first, first + rows):
            bad = bad_every and row % bad_every == 0
            email = ("", "not known")[row % 2] if bad else f"{SURNAMES[row % 7].lower()}.{row}@example.org"
            name = f"{FORENAMES[row % 8]} {SURNAMES[row % 7]}"
            file.write(f"{name},{email},+49 30 {5000 + row % 4000},{SURNAMES[row % 5]} & Co\n")
    return path


def imports(gallery: Gallery, page: Page, address: str, token: str, folder: Path) -> None:
    def opened(path: Path) -> None:
        page.goto(f"{address}/?q={path.stem}")
        page.get_by_role("link", name=path.name, exact=True).first.click()

    path = people(folder / "contacts.csv", 4000, bad_every=90)
    upload(address, token, path, kind="customers")
    opened(path)
    expect(page.get_by_role("link", name="Undo this import")).to_be_visible()
    gallery.take(page, "import-done")
    page.goto(f"{address}/customers/")
    gallery.take(page, "customers")
    coming = people(folder / "fair.csv", 500_000, bad_every=999, first=10_000)
    waiting = people(folder / "newsletter.csv", 10, first=5000)
    with uploading(address, token, coming, kind="customers") as uploader:
        uploader.upload(stop_at=coming.stat().st_size // 2)
        upload(address, token, waiting, kind="customers")
        opened(waiting)
        gallery.take(page, "import-waiting")
        opened(coming)
        expect(page.get_by_role("heading", name="Imported customers")).to_be_visible()
        gallery.take(page, "import-running")
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("What it had imported until then stays")).to_be_visible()
        gallery.take(page, "import-cancelled")
    opened(path)
    page.get_by_role("link", name="Remove this import").click()
    gallery.take(page, "import-remove")
    page.get_by_role("link", name="Undo it first").click()
    gallery.take(page, "import-undo")
    page.get_by_role("button", name="Undo the import").click()
    expect(page.get_by_text("Undone on")).to_be_visible()
    gallery.take(page, "import-undone")
    upload(address, token, path, kind="sales")
    opened(path)
    expect(page.get_by_role("button", name="Run as “Customers”")).to_be_visible()
    gallery.take(page, "import-of-another-kind")


def account(gallery: Gallery, page: Page, address: str) -> None:
    for path in ("", "tokens/", "webhooks/", "sessions/", "data/", "delete"):
        page.goto(f"{address}/account/{path}")
        gallery.take(page, f"account-{path.strip('/') or 'profile'}")
    page.goto(f"{address}/files/")
    gallery.take(page, "files")
    page.get_by_role("link", name="Delete").last.click()
    gallery.take(page, "files-delete")
    page.goto(f"{address}/account/tokens/")
    page.get_by_label("Name").fill("nightly import")
    page.get_by_role("button", name="Create token").click()
    gallery.take(page, "account-token-created")
    page.goto(f"{address}/account/webhooks/")
    page.get_by_label("Address").fill("http://127.0.0.1:9/nobody-listens")
    page.get_by_role("button", name="Add webhook").click()
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_text("Will be tried again")).to_be_visible()
    gallery.take(page, "account-webhook")
    for name in ("password/change", "email", "2fa", "2fa/totp/activate", "2fa/webauthn/add", "reauthenticate"):
        page.goto(f"{address}/accounts/{name}/")
        gallery.take(page, f"account-{name.replace('/', '-')}")


def reference(gallery: Gallery, page: Page, address: str) -> None:
    page.goto(f"{address}/api/docs")
    gallery.take(page, "api-docs")


def admin(gallery: Gallery, page: Page, address: str) -> None:
    pages = {"index": "", "operations": "reports/job/operations/", "jobs": "reports/job/", "users": "accounts/user/"}
    for name, path in pages.items():
        page.goto(f"{address}/admin/{path}")
        gallery.take(page, f"admin-{name}")
    page.goto(f"{address}/admin/reports/job/?q=sales-north")
    page.get_by_role("link", name="sales-north.csv", exact=True).first.click()
    gallery.take(page, "admin-job")


def errors(gallery: Gallery, page: Page, address: str) -> None:
    page.goto(f"{address}/no/such/page")
    gallery.take(page, "error-404")
    page.goto(f"{address}/jobs/00000000-0000-4000-8000-000000000000/")
    gallery.take(page, "error-not-found")


def german(gallery: Gallery, browser: Browser, address: str, state: BrowserContext) -> None:
    page = browser.new_context(locale="de-DE", storage_state=state.storage_state()).new_page()
    page.goto(address)
    gallery.take(page, "german-dashboard")
    page.goto(f"{address}/?q=sales-2024")
    page.locator("[data-field=report]").first.click()
    gallery.take(page, "german-report")


def main() -> None:
    os.environ["LOG_LEVEL"] = "WARNING"
    target = Path(os.environ.get("DATA_DIR", "var")).resolve() / "screenshots"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="salesagg-screenshots-")))
        (folder / "static").mkdir()
        os.environ["STATIC_ROOT"] = str(folder / "static")
        site = Site(folder, ALLOWED_HOSTS="localhost", WEBHOOKS_TO_PRIVATE_ADDRESSES="true")
        stack.callback(site.end)
        token = site.prepare()
        address = site.serve()
        playwright = stack.enter_context(sync_playwright())
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        gallery = Gallery(target)
        context, stranger = browser.new_context(locale="en-GB"), browser.new_context(locale="en-GB").new_page()
        page = context.new_page()
        ways_in(gallery, stranger, address)
        log_in(page, address)
        dashboard(gallery, page, address, token, folder)
        page.close()
        page = context.new_page()
        reports(gallery, page, address, token, folder, stranger)
        imports(gallery, page, address, token, folder)
        account(gallery, page, address)
        reference(gallery, page, address)
        admin(gallery, page, address)
        errors(gallery, page, address)
        german(gallery, browser, address, context)
        browser.close()
    sys.stdout.write(f"{gallery.count} pictures in {target}\n")


if __name__ == "__main__":
    main()
