"""Taking turns: an owner's imports are worked on one at a time, oldest first, and hold nobody else up."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from reports import hints, lifecycle, runner, turns
from reports.lifecycle import Claim
from reports.models import Customer, Job
from reports.pipelines.customers import CustomersPipeline
from reports.sweeper import sweep
from tests.conftest import MakeUpload, MakeUser, append
from tests.files import customers_csv, sales_csv
from uploads import lifecycle as uploads
from uploads.models import Upload

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
MakeImport = Callable[..., Job]
DATA = customers_csv(20)


@pytest.fixture
def make_import(make_upload: MakeUpload) -> MakeImport:
    """make_import(data, …) as make_upload -> the job of a file of customers."""

    def make(data: bytes = DATA, **kwargs: Any) -> Job:
        return make_upload(data, kind="customers", **kwargs).jobs.get()

    return make


@pytest.fixture
def hinted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes the hints that are sent."""
    sent: list[str] = []

    def send() -> bool:
        sent.append("look")
        return True

    monkeypatch.setattr(hints, "send", send)
    return sent


def claim() -> Claim:
    claimed = lifecycle.claim()
    assert claimed is not None
    return claimed


def go_quiet(job: Job, settings: Any, *, seconds: float = 1) -> None:
    """Nothing has come of the job's file for longer than others wait, by so many seconds."""
    left = timedelta(hours=settings.UPLOAD_EXPIRES_HOURS) - timedelta(seconds=settings.TURN_PATIENCE_SECONDS + seconds)
    Upload.objects.filter(pk=job.upload_id).update(expires_at=timezone.now() + left)


def at_once(acts: int, act: Callable[[], Any]) -> list[Any]:
    """What `act` gives in so many threads that begin together."""
    barrier = threading.Barrier(acts)
    given: list[Any] = []

    def run() -> None:
        barrier.wait(20)
        try:
            given.append(act())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(given) == acts
    return given


def test_the_oldest_is_worked_on_first_and_the_others_wait(make_import: MakeImport) -> None:
    jobs = [make_import() for _ in range(3)]
    for job in jobs:
        held = claim()
        assert held.job_id == job.pk
        assert lifecycle.claim() is None
        lifecycle.complete(held)
    assert lifecycle.claim() is None


def test_other_owners_and_sales_of_the_same_owner_are_not_held_up(
    make_import: MakeImport, make_upload: MakeUpload, stranger: User
) -> None:
    first, _second = make_import(), make_import()
    sales, others = make_upload(sales_csv(5)).jobs.get(), make_import(owner=stranger)
    assert {claim().job_id for _ in range(3)} == {first.pk, sales.pk, others.pk}
    assert lifecycle.claim() is None


def test_of_many_workers_that_look_at_once_each_gets_what_has_its_turn(
    make_import: MakeImport, make_upload: MakeUpload, make_user: MakeUser
) -> None:
    owners = [make_user(f"{number}@example.org") for number in range(3)]
    imports = [make_import(owner=owner) for owner in owners for _ in range(3)]
    sales = [make_upload(sales_csv(5), owner=owner).jobs.get() for owner in owners]
    turn = {job.pk for job in (*imports[::3], *sales)}
    claims = at_once(len(turn), lifecycle.claim)
    assert {held and held.job_id for held in claims} == turn
    assert at_once(4, lifecycle.claim) == [None] * 4


def test_many_workers_never_work_on_two_of_an_owner_and_keep_the_order(
    make_import: MakeImport, stranger: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IMPORT_WINDOW_BYTES = 200
    jobs = [make_import(customers_csv(20, first=number * 10)) for number in range(4)]
    make_import(owner=stranger)
    at_work: Counter[int] = Counter()
    together: list[int] = []
    fold = CustomersPipeline.fold

    def watched(self: CustomersPipeline, data: bytes, job: Job, **kwargs: Any) -> Any:
        at_work[job.owner_id] += 1
        together.append(at_work[job.owner_id])
        folded = fold(self, data, job, **kwargs)
        at_work[job.owner_id] -= 1
        return folded

    monkeypatch.setattr(CustomersPipeline, "fold", watched)
    at_once(4, runner.run_all)
    assert set(together) == {1}
    assert not Job.objects.exclude(status="completed").exists()
    ended = Job.objects.filter(pk__in=[job.pk for job in jobs]).order_by("finished_at").values_list("pk", flat=True)
    assert list(ended) == [job.pk for job in jobs]
    # Each file repeats ten customers of the one before.
    assert [Job.objects.get(pk=pk).bad_rows for pk in ended] == [0, 10, 10, 10]
    assert Customer.objects.filter(owner=jobs[0].owner).count() == 50


def test_one_that_waits_for_bytes_holds_those_behind_it_up_while_bytes_come(
    make_import: MakeImport, settings: Any
) -> None:
    first, second = make_import(chunk=100, whole=False), make_import()
    assert lifecycle.claim() is None
    go_quiet(first, settings, seconds=-30)
    assert lifecycle.claim() is None
    go_quiet(first, settings)
    assert claim().job_id == second.pk


def test_its_bytes_give_it_its_turn_back_unless_somebody_is_at_work(make_import: MakeImport, settings: Any) -> None:
    first, second = make_import(chunk=100, whole=False), make_import()
    third = make_import()
    go_quiet(first, settings)
    held = claim()
    assert held.job_id == second.pk
    upload = first.upload
    append(upload, DATA[upload.offset :])
    assert lifecycle.claim() is None
    lifecycle.complete(held)
    assert claim().job_id == first.pk
    assert not Job.objects.filter(turns.is_next(), pk=third.pk).exists()


def test_one_that_has_gone_quiet_with_a_whole_window_is_worked_on_all_the_same(
    make_import: MakeImport, settings: Any
) -> None:
    settings.IMPORT_WINDOW_BYTES = 200
    first, second = make_import(chunk=300, whole=False), make_import()
    go_quiet(first, settings)
    assert runner.run_all() == 2
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.bytes_done > 0
    assert (first.status, second.status) == ("processing", "completed")


@pytest.mark.parametrize("patience", [0, 3600])
def test_how_long_the_others_wait_is_a_setting(make_import: MakeImport, settings: Any, patience: int) -> None:
    settings.TURN_PATIENCE_SECONDS = 60
    first, second = make_import(chunk=100, whole=False), make_import()
    go_quiet(first, settings, seconds=120)
    settings.TURN_PATIENCE_SECONDS = patience
    held = lifecycle.claim()
    assert (held and held.job_id) == (None if patience else second.pk)


def test_a_cancelled_one_makes_way_at_once(make_import: MakeImport, hinted: list[str]) -> None:
    first, second = make_import(chunk=100, whole=False), make_import()
    hinted.clear()
    lifecycle.cancel(first)
    assert hinted == ["look"]
    assert claim().job_id == second.pk


def test_one_that_is_cancelled_at_work_makes_way_when_its_worker_has_stopped(
    make_import: MakeImport, hinted: list[str]
) -> None:
    first, second = make_import(), make_import()
    held = claim()
    hinted.clear()
    lifecycle.cancel(first)
    assert hinted == []
    assert lifecycle.claim() is None
    lifecycle.cancelled(held)
    assert hinted == ["look"]
    assert claim().job_id == second.pk


@pytest.mark.parametrize("end", ["fail", "complete"])
def test_one_that_has_ended_makes_way_at_once(make_import: MakeImport, hinted: list[str], end: str) -> None:
    _first, second = make_import(), make_import()
    held = claim()
    hinted.clear()
    if end == "fail":
        lifecycle.fail(held, code="not_csv", message="This is no CSV.")
    else:
        lifecycle.complete(held)
    assert hinted == ["look"]
    assert claim().job_id == second.pk


def test_one_that_is_deleted_makes_way_at_once(make_import: MakeImport, hinted: list[str]) -> None:
    first, second = make_import(chunk=100, whole=False), make_import()
    hinted.clear()
    lifecycle.delete(first)
    assert hinted == ["look"]
    assert claim().job_id == second.pk


def test_one_whose_upload_is_cancelled_makes_way_at_once(make_import: MakeImport, hinted: list[str]) -> None:
    first, second = make_import(chunk=100, whole=False), make_import()
    hinted.clear()
    uploads.cancel(first.upload)
    assert "look" in hinted
    assert claim().job_id == second.pk


def test_without_one_behind_it_the_end_of_an_import_is_no_hint(make_import: MakeImport, hinted: list[str]) -> None:
    make_import()
    held = claim()
    hinted.clear()
    lifecycle.complete(held)
    assert hinted == []


def test_a_dead_workers_import_is_taken_over_before_those_behind_it(make_import: MakeImport) -> None:
    first, _second = make_import(), make_import()
    before = claim()
    Job.objects.filter(pk=first.pk).update(lease_until=Now() - timedelta(seconds=1))
    after = claim()
    assert after.job_id == before.job_id == first.pk
    assert after.token != before.token
    assert lifecycle.claim() is None


def test_one_that_kills_its_workers_is_given_up_and_makes_way(
    make_import: MakeImport, settings: Any, hinted: list[str]
) -> None:
    first, second = make_import(), make_import()
    for _ in range(settings.MAX_ATTEMPTS):
        assert claim().job_id == first.pk
        Job.objects.filter(pk=first.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert lifecycle.claim() is None
    hinted.clear()
    sweep()
    assert "look" in hinted
    assert claim().job_id == second.pk


def test_one_that_is_retried_keeps_its_place(make_import: MakeImport) -> None:
    first, second, third = (make_import() for _ in range(3))
    lifecycle.cancel(first)
    held = claim()
    assert held.job_id == second.pk
    lifecycle.retry(first)
    assert lifecycle.claim() is None
    lifecycle.complete(held)
    assert claim().job_id == first.pk
    assert not Job.objects.filter(turns.is_next(), pk=third.pk).exists()


def test_of_two_of_the_same_moment_one_goes_first(make_import: MakeImport) -> None:
    jobs = {make_import().pk, make_import().pk}
    Job.objects.update(created_at=timezone.now())
    held = claim()
    assert lifecycle.claim() is None
    lifecycle.complete(held)
    assert {held.job_id, claim().job_id} == jobs


def test_of_several_owners_the_one_who_has_waited_longest_is_first(make_import: MakeImport, stranger: User) -> None:
    first, second = make_import(), make_import()
    lifecycle.complete(claim())
    others = make_import(owner=stranger)
    assert [claim().job_id, claim().job_id] == [others.pk, second.pk]
    assert first.owner_id == second.owner_id
