"""Which messages are written, in which transaction, and what they say."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts import deletion
from accounts.models import User
from reports import lifecycle, runner
from reports.models import Delivery, Job, Webhook
from reports.sweeper import sweep
from reports.webhooks import management
from tests.conftest import MakeUpload
from tests.files import sales_csv
from uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DATA = sales_csv(50, bad_every=10)
Finished = Callable[..., Job]


def test_a_completed_job_is_told_of_as_the_api_describes_it(
    webhook: Webhook, finished: Finished, token: str, client: Any, settings: Any
) -> None:
    job = finished(DATA)
    written = Delivery.objects.get()
    assert (written.webhook, written.event, written.job_id, written.state) == (
        webhook,
        "job.completed",
        job.pk,
        "pending",
    )
    body = json.loads(written.body)
    assert body["type"] == "job.completed"
    shown = client.get(f"/api/jobs/{job.pk}", headers={"Authorization": f"Bearer {token}"}).json()
    own: dict[str, Any] = {
        "url": f"{settings.SITE_URL}/jobs/{job.pk}/",
        "downloadUrls": {},
        "downloadUrlsExpireAt": None,
    }
    assert body["data"] == shown | own
    assert body["timestamp"] == shown["finishedAt"]
    assert body["data"]["failedCount"] == 5


def test_a_failed_job_is_told_of_with_why(webhook: Webhook, finished: Finished) -> None:
    finished(b"")
    body = json.loads(Delivery.objects.get(event="job.failed").body)
    assert body["data"]["status"] == "failed"
    assert body["data"]["error"]["code"] == "empty_file"


def test_the_reason_is_in_the_owners_language(webhook: Webhook, user: User, finished: Finished) -> None:
    User.objects.update(language="de")
    finished(b"")
    assert "Datei" in json.loads(Delivery.objects.get().body)["data"]["error"]["detail"]


def test_a_job_that_is_given_up_or_whose_upload_expired_is_told_of(
    webhook: Webhook, make_upload: MakeUpload, settings: Any
) -> None:
    make_upload(DATA)
    for _ in range(settings.MAX_ATTEMPTS):
        lifecycle.claim()
        Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    make_upload(DATA, chunk=100, whole=False)
    Upload.objects.filter(state="receiving").update(expires_at=timezone.now() - timedelta(seconds=1))
    sweep()
    codes = {json.loads(written.body)["data"]["error"]["code"] for written in Delivery.objects.all()}
    assert codes == {"worker_lost", "upload_expired"}


def test_a_cancelled_job_tells_nothing(webhook: Webhook, make_upload: MakeUpload) -> None:
    lifecycle.cancel(make_upload(DATA).jobs.get())
    assert not Delivery.objects.exists()


def test_each_enabled_webhook_of_the_owner_is_told_once_and_nobody_elses(
    webhook: Webhook, user: User, stranger: User, finished: Finished
) -> None:
    other = management.create(user, "http://127.0.0.1:9/other")
    off = management.create(user, "http://127.0.0.1:9/off")
    management.switch(off, on=False)
    management.create(stranger, "http://127.0.0.1:9/theirs")
    finished(DATA)
    assert {written.webhook for written in Delivery.objects.all()} == {webhook, other}
    assert Delivery.objects.count() == 2


def test_an_end_that_is_rolled_back_has_written_nothing(webhook: Webhook, make_upload: MakeUpload) -> None:
    make_upload(DATA)
    held = lifecycle.claim()
    assert held is not None
    with pytest.raises(RuntimeError), transaction.atomic():
        lifecycle.fail(held, code="not_csv", message="…")
        assert Delivery.objects.count() == 1
        raise RuntimeError("the database is away")
    assert Job.objects.get().status == "processing"
    assert not Delivery.objects.exists()


def test_a_worker_that_has_lost_its_claim_writes_nothing(webhook: Webhook, make_upload: MakeUpload) -> None:
    make_upload(DATA)
    lost = lifecycle.claim()
    assert lost is not None
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert lifecycle.claim() is not None
    lifecycle.fail(lost, code="not_csv", message="…")
    with pytest.raises(lifecycle.ClaimLost):
        lifecycle.complete(lost)
    assert not Delivery.objects.exists()


def test_a_job_that_is_retried_tells_of_its_new_end_too(webhook: Webhook, make_upload: MakeUpload) -> None:
    job = make_upload(DATA).jobs.get()
    held = lifecycle.claim()
    assert held is not None
    lifecycle.fail(held, code="worker_lost", message="…")
    job.refresh_from_db()
    lifecycle.retry(job)
    runner.run_all()
    assert set(Delivery.objects.values_list("event", flat=True)) == {"job.failed", "job.completed"}


def test_names_of_all_kinds_are_told(webhook: Webhook, finished: Finished) -> None:
    finished(DATA, name="Verkäufe “2024” \U0001f4c8.csv")
    assert json.loads(Delivery.objects.get().body)["data"]["fileName"] == "Verkäufe “2024” \U0001f4c8.csv"


def test_an_account_that_is_closed_or_locked_is_told_nothing(
    webhook: Webhook, user: User, make_upload: MakeUpload
) -> None:
    make_upload(DATA)
    User.objects.update(is_active=False)
    runner.run_all()
    assert Job.objects.get().status == "completed"
    assert not Delivery.objects.exists()
    assert deletion.delete(user)
    assert not Webhook.objects.exists()
