"""Signed addresses of downloads: they work for anybody who has one, for a while, and for nothing else."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.models import User
from reports import lifecycle, signed
from reports.models import Job
from tests.conftest import bound_to
from tests.files import HEADER
from tests.reports.test_downloads import content

pytestmark = pytest.mark.django_db(transaction=True)
MakeJob = Callable[..., Job]
DATA = HEADER.encode() + b"Toys,2024-01-01,3\n=1+1,2024-01-01,4\n=x,never,1\n"
FILES = {
    "csv": "result.csv", "xlsx": "result.xlsx", "json": "result.json", "parquet": "result.parquet",
    "errors": "errors.csv",
}  # fmt: skip
nobody = Client()


@pytest.fixture
def job(finished: MakeJob) -> Job:
    return finished(DATA)


@pytest.fixture
def addresses(api: Client, job: Job) -> dict[str, str]:
    told: dict[str, str] = api.get(f"/api/jobs/{job.pk}").json()["downloadUrls"]
    return told


def refused(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("name", FILES)
def test_it_works_without_logging_in(api: Client, job: Job, addresses: dict[str, str], name: str) -> None:
    assert addresses[name].startswith("http://localhost:8000/api/downloads/")
    response = nobody.get(addresses[name])
    assert response.status_code == 200
    theirs = api.get(f"/api/jobs/{job.pk}/{FILES[name]}")
    assert response["Content-Disposition"] == theirs["Content-Disposition"]
    assert response["Content-Type"] == theirs["Content-Type"]
    assert len(content(response)) == len(content(theirs))


@pytest.mark.parametrize("name", ["csv", "errors"])
def test_csv_can_be_had_safe_for_spreadsheets(addresses: dict[str, str], name: str) -> None:
    assert b"'=" not in content(nobody.get(addresses[name]))
    assert b"'=" in content(nobody.get(addresses[name], {"safe": "1"}))


def test_it_is_kept_from_caches_search_engines_and_other_sites(addresses: dict[str, str]) -> None:
    response = nobody.get(addresses["csv"])
    content(response)
    assert response["Cache-Control"] == "private, no-store"
    assert response["X-Robots-Tag"].startswith("noindex")
    assert response["Referrer-Policy"] == "no-referrer"


def test_it_stays_the_same_for_a_while_and_tells_when_it_ends(api: Client, job: Job, settings: Any) -> None:
    told = api.get(f"/api/jobs/{job.pk}").json()
    until = signed.expiry()
    assert told["downloadUrlsExpireAt"] == until.isoformat().replace("+00:00", "Z")
    again = api.get(f"/api/jobs/{job.pk}").json()
    assert told["downloadUrls"] == again["downloadUrls"]
    assert signed.expiry().timestamp() % signed.GRAIN_SECONDS == 0


@pytest.mark.parametrize("name", FILES)
def test_it_opens_no_other_file(addresses: dict[str, str], name: str) -> None:
    folder = addresses[name].rsplit("/", 1)[0]
    for file in ["result.pdf", "result.", "x", *FILES.values()]:
        if file != FILES[name]:
            assert refused(nobody.get(f"{folder}/{file}")) == (404, "not_found")


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "x",
        lambda token: token + "A",
        lambda token: "A" + token[1:] if token[0] != "A" else "B" + token[1:],
        lambda token: token.split(":")[0],
        lambda token: token.split(":")[0] + ":" + "A" * 43,
    ],
)
def test_an_address_that_was_changed_is_none(addresses: dict[str, str], change: Callable[[str], str]) -> None:
    *start, token, file = addresses["csv"].split("/")
    assert refused(nobody.get("/".join([*start, change(token), file]))) == (404, "not_found")


def test_a_token_of_a_share_is_no_token_of_a_download(api: Client, job: Job) -> None:
    url = api.post(f"/api/jobs/{job.pk}/shares", {"days": 7}, content_type="application/json").json()["url"]
    share = urlsplit(url).path.split("/")[2]
    assert refused(nobody.get(f"/api/downloads/{share}/result.csv")) == (404, "not_found")


def test_it_expires(api: Client, job: Job, settings: Any) -> None:
    settings.DOWNLOAD_URL_SECONDS = -2 * signed.GRAIN_SECONDS
    told = api.get(f"/api/jobs/{job.pk}").json()
    response = nobody.get(told["downloadUrls"]["csv"])
    assert refused(response) == (410, "link_ended")
    assert "expired" in response.json()["detail"]


def test_it_ends_with_its_job(job: Job, addresses: dict[str, str]) -> None:
    lifecycle.delete(job)
    assert refused(nobody.get(addresses["csv"])) == (404, "not_found")


def test_it_ends_when_its_owner_is_shut_out(user: User, addresses: dict[str, str]) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert refused(nobody.get(addresses["csv"])) == (404, "not_found")
    User.objects.filter(pk=user.pk).update(is_active=True)
    content(nobody.get(addresses["csv"]))


def test_it_is_only_read(addresses: dict[str, str]) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert refused(nobody.generic(method, addresses["csv"])) == (405, "method_not_allowed")


def test_an_open_job_has_addresses_of_what_is_there(api: Client, make_job: MakeJob) -> None:
    job = make_job(DATA)
    assert api.get(f"/api/jobs/{job.pk}").json()["downloadUrls"] == {}


def test_it_ends_with_the_token_that_asked_for_it(user: User, job: Job, addresses: dict[str, str]) -> None:
    content(nobody.get(addresses["csv"]))
    tokens.revoke(user.api_tokens.get())
    for address in addresses.values():
        assert refused(nobody.get(address)) == (410, "link_ended")


def test_it_ends_when_the_token_expires(user: User, job: Job, addresses: dict[str, str]) -> None:
    user.api_tokens.update(expires_at=timezone.now())
    assert refused(nobody.get(addresses["csv"])) == (410, "link_ended")


def test_it_outlives_other_tokens_and_sessions(user: User, ann: Client, job: Job, addresses: dict[str, str]) -> None:
    other = tokens.issue(user, name="other")
    tokens.revoke(user.api_tokens.get(name="other"))
    assert other
    ann.post("/accounts/logout/")
    content(nobody.get(addresses["csv"]))


def test_it_ends_with_the_session_that_asked_for_it(ann: Client, job: Job) -> None:
    url = ann.get(f"/api/jobs/{job.pk}").json()["downloadUrls"]["csv"]
    content(nobody.get(url))
    ann.post("/accounts/logout/")
    assert refused(nobody.get(url)) == (410, "link_ended")


def test_it_ends_with_the_password_of_the_session_that_asked_for_it(user: User, ann: Client, job: Job) -> None:
    url = ann.get(f"/api/jobs/{job.pk}").json()["downloadUrls"]["csv"]
    user.set_password("another long phrase")
    user.save()
    assert refused(nobody.get(url)) == (410, "link_ended")


def test_without_token_or_session_it_ends_with_the_password(user: User, job: Job) -> None:
    url = signed.path(job, "result.csv", until=signed.expiry(), bound_to=bound_to(user))
    content(nobody.get(url))
    user.set_password("another long phrase")
    user.save()
    assert refused(nobody.get(url)) == (410, "link_ended")
