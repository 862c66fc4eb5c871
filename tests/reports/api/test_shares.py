"""Links to a report, made and revoked by programs."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from reports import shares
from reports.models import Job, Share
from tests.files import customers_csv, sales_csv

pytestmark = pytest.mark.django_db(transaction=True)
MakeJob = Callable[..., Job]
DATA = sales_csv(20)
nobody = Client()


@pytest.fixture
def job(finished: MakeJob) -> Job:
    return finished(DATA)


def make(api: Client, job: Job, wanted: Any = None, **headers: str) -> Any:
    return api.post(f"/api/jobs/{job.pk}/shares", wanted, content_type="application/json", headers=headers)


def listed(api: Client, job: Job, **asked: Any) -> Any:
    return api.get(f"/api/jobs/{job.pk}/shares", asked).json()


def refused(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize(("wanted", "days"), [({"days": 1}, 1), ({"days": 90}, 90), ({}, 7)])
def test_a_link_is_made_and_opens_the_report(api: Client, job: Job, wanted: Any, days: int) -> None:
    response = make(api, job, wanted)
    told = response.json()
    assert response.status_code == 201
    assert told["url"].startswith("http://localhost:8000/shared/")
    left = datetime.fromisoformat(told["expiresAt"]) - timezone.now()
    assert timedelta(days=days, minutes=-1) < left <= timedelta(days=days)
    assert (told["openedAt"], told["revokedAt"]) == (None, None)
    assert nobody.get(told["url"]).status_code == 200
    assert listed(api, job)["items"][0]["openedAt"]


def test_an_import_has_nothing_to_share(api: Client, imported: MakeJob) -> None:
    assert refused(make(api, imported(customers_csv(3)), {"days": 7})) == (409, "not_shareable")
    assert not Share.objects.exists()


def test_without_a_body_it_holds_for_a_week(api: Client, job: Job) -> None:
    assert api.generic("POST", f"/api/jobs/{job.pk}/shares").status_code == 201
    assert Share.objects.get().expires_at > timezone.now() + timedelta(days=6)


def test_a_revoked_link_opens_nothing_and_stays_in_the_list(api: Client, job: Job) -> None:
    told = make(api, job).json()
    address = f"/api/jobs/{job.pk}/shares/{told['id']}"
    for _ in range(2):
        response = api.delete(address)
        assert (response.status_code, response.content) == (204, b"")
    assert nobody.get(told["url"]).status_code == 410
    assert [share["id"] for share in listed(api, job)["items"]] == [told["id"]]
    assert listed(api, job)["items"][0]["revokedAt"]


def test_they_are_listed_newest_first_page_by_page(api: Client, job: Job, finished: MakeJob) -> None:
    shares.create(finished(DATA), days=1)
    ids = [make(api, job).json()["id"] for _ in range(3)][::-1]
    first = listed(api, job, limit=2)
    second = listed(api, job, limit=2, cursor=first["next"])
    assert [share["id"] for share in first["items"] + second["items"]] == ids
    assert second["next"] is None


def test_asked_twice_with_one_key_it_makes_one_link(api: Client, job: Job) -> None:
    first, second = (make(api, job, {"days": 7}, **{"Idempotency-Key": "x"}).json() for _ in range(2))
    assert first == second
    assert Share.objects.count() == 1


@pytest.mark.parametrize("days", [0, 2, -7, 10**30])
def test_a_time_that_is_not_offered_is_refused(api: Client, job: Job, days: int) -> None:
    assert refused(make(api, job, {"days": days})) == (400, "bad_days")
    assert not Share.objects.exists()


@pytest.mark.parametrize("wanted", [{"days": "7"}, {"days": None}, {"days": True}, {"hours": 1}, [], 7])
def test_what_is_not_as_described_is_refused(api: Client, job: Job, wanted: Any) -> None:
    assert refused(make(api, job, wanted)) == (422, "invalid_request")
    assert not Share.objects.exists()


def test_a_report_that_is_not_there_yet_cannot_be_shared(api: Client, make_job: MakeJob) -> None:
    assert refused(make(api, make_job(DATA))) == (409, "no_result")


def test_there_is_a_limit_to_links(api: Client, job: Job) -> None:
    for _ in range(shares.MAX_VALID):
        shares.create(job, days=1)
    assert refused(make(api, job)) == (409, "too_many_shares")


def test_a_link_of_another_report_is_not_revoked_through_this_one(api: Client, job: Job, finished: MakeJob) -> None:
    link = shares.create(finished(DATA), days=1)
    assert refused(api.delete(f"/api/jobs/{job.pk}/shares/{link.pk}")) == (404, "not_found")
    link.refresh_from_db()
    assert link.revoked_at is None


def test_they_are_the_owners_alone(api: Client, ann: Client, others: list[Client], job: Job) -> None:
    link = shares.create(job, days=1)
    all_of_them = f"/api/jobs/{job.pk}/shares"
    one = f"{all_of_them}/{link.pk}"
    for method, address in (("GET", all_of_them), ("POST", all_of_them), ("DELETE", one)):
        for other in others:
            assert refused(other.generic(method, address)) == (404, "not_found")
        assert refused(nobody.generic(method, address)) == (401, "unauthorized")
    assert refused(api.get(one)) == (405, "method_not_allowed")
    assert refused(api.delete(all_of_them)) == (405, "method_not_allowed")
    assert Share.objects.get().revoked_at is None
    assert ann.get(all_of_them).status_code == 200
