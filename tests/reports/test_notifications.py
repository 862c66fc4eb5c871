"""Mails about jobs that have ended while their owners were away."""

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail

from accounts import presence
from accounts.models import User
from reports import lifecycle, notifications
from reports.models import Job
from tests.conftest import MakeUpload
from tests.files import HEADER, customers_csv

pytestmark = pytest.mark.django_db(transaction=True)
Finished = Callable[..., Job]
DATA = HEADER.encode() + b"Toys,2024-01-01,3\nBooks,2024-01-01,4000\nToys,never,1\n"


@pytest.fixture(autouse=True)
def _mails_are_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the broker would carry to a worker is done on the spot."""

    def send_task(name: str, args: list[Any] | None = None, **kwargs: Any) -> None:
        if name == notifications.TASK:
            notifications.mail_about(*(args or []))

    monkeypatch.setattr("reports.notifications.current_app.send_task", send_task)


@pytest.fixture
def eager(user: User) -> User:
    """Somebody who wants mails."""
    User.objects.update(email_when_done=True)
    user.refresh_from_db()
    return user


def test_who_is_away_and_has_asked_for_it_is_mailed(eager: User, finished: Finished, settings: Any) -> None:
    settings.SITE_URL = "https://sales.example.com"
    job = finished(DATA, name="march.csv")
    (message,) = mail.outbox
    assert message.to == ["ann@example.org"]
    assert message.subject == "march.csv: the report is ready"
    assert "3 rows, 2 departments, 1 rejected rows." in message.body
    assert f"https://sales.example.com/jobs/{job.pk}/" in message.body


def test_a_failure_is_mailed_with_its_reason(eager: User, finished: Finished) -> None:
    finished(b"a,b\n1,2\n")
    assert "could not be made" in mail.outbox[0].subject
    assert "No columns for department and sales were found" in mail.outbox[0].body


def test_an_import_is_told_of_as_one(eager: User, finished: Finished, settings: Any) -> None:
    settings.SITE_URL = "https://sales.example.com"
    job = finished(customers_csv(1200) + b",,,\n", name="people.csv", kind="customers")
    (message,) = mail.outbox
    assert message.subject == "people.csv: the import is done"
    assert message.body.startswith("1,201 rows, 1,200 imported, 1 rejected.\n")
    assert f"https://sales.example.com/jobs/{job.pk}/" in message.body
    assert "report" not in message.subject + message.body


def test_an_import_that_failed_says_why_and_what_has_come_of_it(eager: User, finished: Finished, settings: Any) -> None:
    settings.IMPORT_WINDOW_BYTES = 2000
    finished(HEADER.encode(), name="wrong.csv", kind="customers")
    assert mail.outbox[0].subject == "wrong.csv: the import has failed"
    assert "No columns for name and email and company were found" in mail.outbox[0].body
    assert "stays" not in mail.outbox[0].body
    # One that turns out at its end to be damaged, by its checksum.
    packed = gzip.compress(customers_csv(500), compresslevel=0)
    job = finished(packed[:-8] + bytes(8), name="torn.csv.gz", kind="customers")
    imported = job.rows - job.bad_rows
    assert (job.error_code, imported > 0) == ("gzip_damaged", True)
    assert mail.outbox[1].subject == "torn.csv.gz: the import has failed"
    assert f"{job.rows} rows, {imported} imported, {job.bad_rows} rejected." in mail.outbox[1].body
    assert "What has been imported stays, unless you undo it." in mail.outbox[1].body


def test_a_file_name_cannot_break_the_subject(eager: User, finished: Finished) -> None:
    finished(DATA, name="a\nBcc: x@y.z <b>&.csv")
    assert mail.outbox[0].subject == "aBcc: x@y.z <b>&.csv: the report is ready"


def test_who_has_a_page_open_is_not_mailed(eager: User, finished: Finished) -> None:
    presence.touch(eager.pk)
    finished(DATA)
    assert mail.outbox == []


def test_who_has_not_asked_is_not_mailed(finished: Finished) -> None:
    finished(DATA)
    assert mail.outbox == []


def test_what_a_person_cancelled_is_not_news(eager: User, make_upload: MakeUpload) -> None:
    lifecycle.cancel(make_upload(DATA).jobs.get())
    assert mail.outbox == []


def test_a_job_that_is_gone_or_runs_again_is_not_told_of(eager: User, make_upload: MakeUpload) -> None:
    job = make_upload(DATA).jobs.get()
    notifications.mail_about(str(job.pk))
    lifecycle.delete(job)
    notifications.mail_about(str(job.pk))
    notifications.send_if_away(job.pk)
    assert mail.outbox == []


def test_a_broker_that_is_away_costs_a_mail_and_nothing_else(
    eager: User, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr("reports.notifications.current_app.send_task", down)
    assert finished(DATA).status == "completed"


def test_a_cache_that_is_away_lets_the_mail_go_out(
    eager: User, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down:
        def __getattr__(self, name: str) -> Any:
            raise ConnectionError

    monkeypatch.setattr(presence, "cache", Down())
    presence.touch(eager.pk)
    finished(DATA)
    assert len(mail.outbox) == 1
