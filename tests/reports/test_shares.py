"""Links to a report: made, opened by anybody, expired, revoked."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts.errors import Refusal
from accounts.models import User
from reports import shares
from reports.models import Job, Share
from tests.conftest import MakeUpload
from tests.files import HEADER, customers_csv

pytestmark = pytest.mark.django_db(transaction=True)
Finished = Callable[..., Job]
DATA = HEADER.encode() + b"Toys,2024-01-01,3\nBooks,2024-01-01,4000\nSecret shop,never,1\n"
nobody = Client()


def opened(address: str) -> int:
    """The status that somebody gets who opens it."""
    with contextlib.closing(nobody.get(address)) as response:
        return response.status_code


@pytest.fixture
def job(finished: Finished) -> Job:
    return finished(DATA)


@pytest.fixture
def link(job: Job) -> str:
    return f"/shared/{shares.token(shares.create(job, days=7))}/"


def test_its_owner_makes_a_link_and_finds_it_on_the_page(ann: Client, job: Job) -> None:
    response = ann.post(f"/jobs/{job.pk}/shares", {"days": "30"})
    assert response["Location"] == f"/jobs/{job.pk}/#share"
    share = Share.objects.get()
    assert timedelta(days=29) < share.expires_at - timezone.now() <= timedelta(days=30)
    assert f"http://localhost:8000/shared/{shares.token(share)}/" in ann.get(f"/jobs/{job.pk}/").content.decode()


def test_whoever_has_it_sees_totals_and_downloads_but_no_rows_and_nothing_to_do(link: str) -> None:
    page = nobody.get(link).content.decode()
    assert "4,000" in page
    assert f'class="btn btn-primary" href="{link}result.csv?safe=1"' in page
    assert f'href="{link}result.csv"' in page
    assert "the date is not a day" in page
    for hidden in ("Secret shop", "rejected.csv", "Run again", "Remove", "Make a link", "ann@example.org"):
        assert hidden not in page
    assert ">Toys<" in nobody.get(f"{link}table", {"q": "toy"}).content.decode()
    assert opened(f"{link}result.json") == 200
    assert nobody.get(f"{link}rejected.csv").status_code == 404


def test_its_address_is_kept_from_caches_search_engines_and_other_sites(link: str) -> None:
    response = nobody.get(link)
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert response["Referrer-Policy"] == "no-referrer"


def test_opening_it_is_noted(link: str) -> None:
    nobody.get(link)
    assert Share.objects.get().opened_at is not None


@pytest.mark.parametrize("path", ["", "table", "result.csv"])
def test_a_revoked_link_opens_nothing(ann: Client, job: Job, link: str, path: str) -> None:
    assert opened(link + path) == 200
    ann.post(f"/jobs/{job.pk}/shares/{Share.objects.get().pk}/revoke")
    response = nobody.get(link + path)
    assert (response.status_code, response.json()["code"]) == (410, "link_ended")
    page = nobody.get(link + path, headers={"Accept": "text/html"}).content.decode()
    assert "Ask whoever sent it for a new one" in page
    assert link not in ann.get(f"/jobs/{job.pk}/").content.decode()


def test_an_expired_link_opens_nothing(link: str) -> None:
    Share.objects.update(expires_at=timezone.now())
    assert nobody.get(link).status_code == 410


@pytest.mark.parametrize(
    "change", [lambda link: link.replace(":", "0:"), lambda link: "/shared/x/", lambda link: link[:-3] + "x/"]
)
def test_an_address_that_we_never_made_is_none(link: str, change: Callable[[str], str]) -> None:
    assert nobody.get(change(link)).status_code == 404


def test_a_link_ends_with_its_report(ann: Client, job: Job, link: str) -> None:
    ann.post(f"/jobs/{job.pk}/remove")
    assert nobody.get(link).status_code == 404


@pytest.mark.parametrize("path", ["", "table", "result.csv", "result.xlsx"])
def test_a_locked_account_has_no_links(user: User, link: str, path: str) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    never = nobody.get(f"/shared/x/{path}")
    locked = nobody.get(link + path)
    assert (locked.status_code, locked.json()["code"]) == (404, "not_found")
    assert locked.json()["detail"] == never.json()["detail"]
    User.objects.filter(pk=user.pk).update(is_active=True)
    assert opened(link + path) == 200


def test_an_ended_link_of_a_locked_account_is_none_either(user: User, link: str) -> None:
    Share.objects.update(revoked_at=timezone.now())
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert nobody.get(link).status_code == 404


def limited(address: str, ip: str) -> int:
    response = nobody.get(address, REMOTE_ADDR=ip)
    response.close()
    assert response.status_code == 200 or 0 < int(response["Retry-After"]) <= 60
    return response.status_code


@pytest.mark.parametrize(("path", "what"), [("", "VIEWS"), ("table", "VIEWS"), ("result.json", "DOWNLOADS")])
def test_requests_for_a_link_are_limited_whoever_sends_them(link: str, settings: Any, path: str, what: str) -> None:
    setattr(settings, f"SHARE_{what}_PER_MINUTE", 3)
    answers = [limited(link + path, f"192.0.2.{number}") for number in range(5)]
    # A minute may end in between.
    assert answers.count(429) >= 1
    assert answers[:3] == [200, 200, 200]


@pytest.mark.parametrize(("path", "what"), [("", "VIEWS"), ("result.csv", "DOWNLOADS")])
def test_requests_for_links_are_limited_for_each_ip_address(job: Job, settings: Any, path: str, what: str) -> None:
    setattr(settings, f"SHARE_{what}_PER_MINUTE_PER_ADDRESS", 2)
    links = [f"/shared/{shares.token(shares.create(job, days=7))}/{path}" for _ in range(5)]
    assert [limited(link, "192.0.2.1") for link in links].count(429) >= 1
    assert limited(links[0], "192.0.2.2") == 200


def test_a_person_is_told_on_a_page_when_to_come_back(link: str, settings: Any) -> None:
    settings.SHARE_VIEWS_PER_MINUTE = 1
    answers = [nobody.get(link, headers={"Accept": "text/html"}) for _ in range(4)]
    [refusal, *_others] = [answer for answer in answers if answer.status_code == 429]
    assert "Wait" in refusal.content.decode()
    assert "Retry-After" in refusal


def test_the_limit_of_links_holds_when_many_are_made_at_once(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "MAX_VALID", 2)
    ready = threading.Barrier(8)

    def make(_number: int) -> None:
        ready.wait(20)
        try:
            with contextlib.suppress(Refusal):
                shares.create(job, days=1)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert shares.valid(job).count() == 2


@pytest.mark.parametrize("days", ["0", "365", "x", ""])
def test_a_time_that_is_not_offered_is_refused(ann: Client, job: Job, days: str) -> None:
    response = ann.post(f"/jobs/{job.pk}/shares", {"days": days})
    assert (response.status_code, response.json()["code"]) == (400, "bad_days")


def test_a_report_that_is_not_there_yet_cannot_be_shared(ann: Client, make_upload: MakeUpload) -> None:
    job = make_upload(DATA).jobs.get()
    response = ann.post(f"/jobs/{job.pk}/shares", {"days": "7"})
    assert (response.status_code, response.json()["code"]) == (409, "no_result")


def test_an_import_has_nothing_to_share(ann: Client, imported: Finished) -> None:
    response = ann.post(f"/jobs/{imported(customers_csv(3)).pk}/shares", {"days": "7"})
    assert (response.status_code, response.json()["code"]) == (409, "not_shareable")
    assert not Share.objects.exists()


def test_there_is_a_limit_to_links(ann: Client, job: Job) -> None:
    for _ in range(shares.MAX_VALID):
        shares.create(job, days=1)
    response = ann.post(f"/jobs/{job.pk}/shares", {"days": "1"})
    assert (response.status_code, response.json()["code"]) == (409, "too_many_shares")


def test_links_are_made_and_revoked_by_the_owner_alone(
    ann: Client, client_of: Callable[[User], Client], stranger: User, job: Job, link: str
) -> None:
    revoke = f"/jobs/{job.pk}/shares/{Share.objects.get().pk}/revoke"
    for path in (f"/jobs/{job.pk}/shares", revoke):
        assert client_of(stranger).post(path, {"days": "7"}).status_code == 404
        assert ann.get(path).status_code == 405
        assert nobody.post(path)["Location"].startswith("/accounts/login/")
    assert nobody.get(link).status_code == 200
    assert Share.objects.count() == 1


def test_a_link_of_another_report_is_not_revoked_through_this_one(
    ann: Client, job: Job, finished: Finished, link: str
) -> None:
    other = finished(DATA)
    assert ann.post(f"/jobs/{other.pk}/shares/{Share.objects.get().pk}/revoke").status_code == 404
    assert nobody.get(link).status_code == 200
