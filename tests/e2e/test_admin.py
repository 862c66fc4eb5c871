"""The admin in a browser: under the same policy as every page, live, and able to act, for whoever may."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from tests.e2e.axe import assert_accessible
from tests.e2e.network import wait_for_growth
from tests.files import write_sales
from tests.services.site import PASSWORD, Site
from tests.services.tus import upload, uploading

JOBS, OPERATIONS = "/admin/reports/job/", "/admin/reports/job/operations/"
PHONE = {"width": 390, "height": 844}
MB = 1_000_000
# The site's windows are of 32 MiB.
WINDOW = 34 * MB
VIEWER = "viewer@example.org"
MAKE_VIEWER = f"""
from django.contrib.auth.models import Permission
from accounts.models import User
user = User.objects.create_user("{VIEWER}", "{PASSWORD}", is_staff=True)
user.user_permissions.set(Permission.objects.filter(codename__in=["view_job", "view_upload"]))
"""


@pytest.fixture(scope="module")
def jobs(site: Site, address: str, token: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A job that has failed and one that is done, of the site's own user; and a staff member who may only look."""
    folder = tmp_path_factory.mktemp("files")
    wrong = folder / "no sales.csv"
    wrong.write_text("a,b\n1,2\n")
    upload(address, token, wrong)
    upload(address, token, write_sales(folder / "known sales.csv", 100_000))
    site.manage("shell", "-c", MAKE_VIEWER)


@pytest.fixture
def requests(page: Page) -> Iterator[list[str]]:
    """What the operations page has asked for."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/operations/numbers" in request.url:
            asked.append(request.url)

    page.on("request", note)
    yield asked
    page.remove_listener("request", note)


def fits_a_phone(page: Page) -> bool:
    before = page.viewport_size
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    width = page.evaluate("() => document.documentElement.scrollWidth")
    page.set_viewport_size(before)  # type: ignore[arg-type]
    return bool(width == PHONE["width"])


@pytest.mark.usefixtures("jobs")
def test_an_operator_finds_a_job_and_retries_runs_again_and_deletes_it(operator: Page, address: str) -> None:
    page = operator
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("link", name="Jobs").first.click()
    row = page.get_by_role("row", name="no sales.csv")
    expect(row).to_contain_text("Failed")
    expect(row).to_contain_text("missing_columns")
    assert_accessible(page)
    row.get_by_role("checkbox").check()
    page.get_by_label("Action:").select_option("retry")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_text("No sales.csv will go on from its last checkpoint.")).to_be_visible()

    page.get_by_role("link", name="Completed").click()
    page.get_by_role("link", name="known sales.csv").click()
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline.get_by_role("heading", name="Attempt 1")).to_be_visible()
    expect(timeline.get_by_text("completed the job")).to_be_visible()
    assert_accessible(page, preload=False)  # Django's forms.css imports another
    assert fits_a_phone(page)
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text("Known sales.csv runs again as a new job.")).to_be_visible()
    expect(page.get_by_role("region", name="Timeline")).to_be_visible()

    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_text("The uploaded file stays: another job reads it.")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.get_by_text("was deleted successfully")).to_be_visible()
    expect(page.get_by_role("row", name="known sales.csv")).to_have_count(1)
    for model in ("uploads/upload", "accounts/user", "accounts/apitoken"):
        page.goto(f"{address}/admin/{model}/")
        expect(page.get_by_role("searchbox").or_(page.get_by_role("textbox")).first).to_be_visible()


@pytest.mark.deep
def test_the_operations_page_follows_a_job_without_being_reloaded(
    operator: Page, address: str, token: str, tmp_path: Path
) -> None:
    page = operator
    path = write_sales(tmp_path / "long.csv", 3 * WINDOW)
    with uploading(address, token, path) as uploader:
        uploader.upload(stop_at=MB)
        page.goto(f"{address}/admin/")
        page.get_by_role("link", name="Operations").click()
        page.evaluate("() => { window.notReloaded = true; }")
        job = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="long.csv"))
        bar = job.get_by_role("progressbar", name="long.csv")
        expect(job.get_by_text("Waiting for bytes")).to_be_visible()
        expect(page.get_by_text("Alive")).to_be_visible()
        job.get_by_role("link", name="long.csv").focus()
        uploader.upload(stop_at=WINDOW + 8 * MB)
        first = wait_for_growth(bar, above=0)
        uploader.upload(stop_at=2 * WINDOW + 8 * MB)
        second = wait_for_growth(bar, above=first)
        assert second < path.stat().st_size
        expect(job.get_by_role("link", name="long.csv")).to_be_focused()
        assert_accessible(page)
        assert fits_a_phone(page)
        completed = page.get_by_role("row", name="Last hour").get_by_role("cell").first
        before = int(completed.inner_text())
        uploader.upload()
    expect(completed).to_have_text(str(before + 1), timeout=30_000)
    # Nothing is taken from under somebody who has the focus in it.
    expect(job.get_by_role("link", name="long.csv")).to_be_focused()
    page.get_by_role("link", name="Home").focus()
    expect(job).to_have_count(0)
    assert page.evaluate("() => window.notReloaded")


@pytest.mark.deep
def test_the_operations_page_says_when_it_is_not_up_to_date(
    operator: Page, address: str, expected_trouble: list[str]
) -> None:
    expected_trouble.append("ERR_INTERNET_DISCONNECTED")
    page = operator
    page.goto(f"{address}{OPERATIONS}")
    status = page.get_by_role("status")
    expect(status).to_contain_text("Live")
    page.context.set_offline(True)
    expect(status).to_contain_text("Not up to date since")
    page.context.set_offline(False)
    expect(status).to_contain_text("Live", timeout=15_000)


@pytest.mark.deep
def test_the_operations_page_asks_nothing_while_nobody_looks(operator: Page, address: str, requests: list[str]) -> None:
    page = operator
    page.clock.install()
    page.goto(f"{address}{OPERATIONS}")
    with page.expect_response("**/operations/numbers"):
        page.clock.run_for(3000)
    with page.expect_response("**/operations/numbers?part=live"):
        page.clock.run_for(3000)
    show = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    show += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(show, True)
    asked = len(requests)
    page.clock.run_for(60_000)
    assert len(requests) == asked
    with page.expect_response("**/operations/numbers?part=live"):
        page.evaluate(show, False)


@pytest.mark.deep
def test_whoever_is_logged_out_meanwhile_is_told(operator: Page, address: str) -> None:
    page = operator
    page.goto(f"{address}{OPERATIONS}")
    expect(page.get_by_role("status")).to_contain_text("Live")
    page.context.clear_cookies()
    expect(page.get_by_role("status")).to_have_text("You are no longer logged in. Reload the page.")


@pytest.mark.usefixtures("jobs")
def test_who_may_only_view_sees_everything_and_cannot_act(page: Page, address: str) -> None:
    page.goto(f"{address}{OPERATIONS}")
    page.get_by_label("Email").fill(VIEWER)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("main").get_by_role("button").first.click()
    page.wait_for_url(f"**{OPERATIONS}")
    failure = page.get_by_role("link", name="missing_columns")
    expect(failure).to_be_visible()
    assert_accessible(page)
    failure.click()
    expect(page.get_by_role("link", name="known sales.csv")).to_have_count(0)
    expect(page.get_by_role("button", name="Go")).to_have_count(0)
    page.get_by_role("link", name="no sales.csv").first.click()
    expect(page.get_by_role("heading", name="Attempt 1")).to_be_visible()
    main = page.get_by_role("main")
    expect(main.get_by_role("button")).to_have_count(0)
    expect(main.get_by_role("link", name="Delete")).to_have_count(0)
