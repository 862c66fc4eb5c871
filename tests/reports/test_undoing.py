"""Taking an import back: exactly its customers go, whatever cuts it short, and never one that was changed since."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.errors import Refusal
from accounts.models import User
from reports import attempts, lifecycle, runner
from reports.customers import changes, undoing
from reports.lifecycle import removal
from reports.models import Customer, Job
from reports.sweeper import sweep
from tests.conftest import MakeUpload
from tests.files import customers_csv, sales_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
Imported = Callable[..., Job]
DATA = customers_csv(20)


@contextmanager
def before_each_removal(act: Callable[[], None]) -> Iterator[None]:
    """Do `act` before each statement that deletes customers."""

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('DELETE FROM "reports_customer"'):
            act()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield


@pytest.fixture
def cut_short(imported: Imported, monkeypatch: pytest.MonkeyPatch) -> Job:
    """An import of 20 customers, of which undoing has removed 10 when its process died."""
    job = imported(DATA)
    steps = iter(range(3))

    def die_in_the_third() -> None:
        if next(steps) == 2:
            raise RuntimeError("killed")

    monkeypatch.setattr(undoing, "STEP", 5)
    with before_each_removal(die_in_the_third), pytest.raises(RuntimeError):
        lifecycle.undo(job)
    job.refresh_from_db()
    return job


def change(customer: Customer) -> None:
    changes.change(customer, name="Changed", email=customer.email, phone="", company=customer.company)


def refusal_of(job: Job) -> Refusal:
    with pytest.raises(Refusal) as refused:
        lifecycle.undo(job)
    return refused.value


def test_it_removes_exactly_its_customers(imported: Imported, stranger: User) -> None:
    job = imported(DATA)
    kept = [imported(customers_csv(5, first=100)), imported(customers_csv(5), owner=stranger)]
    version = job.version
    lifecycle.undo(job)
    assert set(Customer.objects.values_list("job", flat=True)) == {other.pk for other in kept}
    assert Customer.objects.count() == 10
    assert job.is_undone
    assert job.undone_at is not None
    assert job.version > version
    assert (job.status, job.rows) == ("completed", 20)


def test_it_removes_in_steps_so_that_others_can_write_in_between(
    imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undoing, "STEP", 8)
    job = imported(DATA)
    seen: list[int] = []

    def look() -> None:
        seen.append(Customer.objects.count())
        connection.close()

    def let_another_look() -> None:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join(20)

    with before_each_removal(let_another_look):
        lifecycle.undo(job)
    assert seen == [20, 12, 4]


def test_one_that_takes_long_is_finished_by_the_sweep_while_nobody_waits(
    imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undoing, "STEP", 8)
    monkeypatch.setattr(removal, "UNDO_AT_ONCE_SECONDS", 0)
    job = imported(DATA)
    lifecycle.undo(job)
    assert (job.is_undone, job.undone_at, job.customers.count()) == (True, None, 12)
    sweep()
    job.refresh_from_db()
    assert job.undone_at is not None
    assert not Customer.objects.exists()


def test_an_import_of_nothing_can_be_undone_too(imported: Imported) -> None:
    job = imported(b"name,email,company\n,,\n")
    lifecycle.undo(job)
    assert job.undone_at is not None


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_what_an_import_that_did_not_finish_has_brought_can_be_removed(
    make_upload: MakeUpload, settings: Any, end: str
) -> None:
    settings.IMPORT_WINDOW_BYTES = 300
    job = make_upload(DATA, chunk=len(DATA) // 2, whole=False, kind="customers").jobs.get()
    runner.run_all()
    assert 0 < job.customers.count() < 20
    if end == "cancel":
        lifecycle.cancel(job)
    else:
        job.upload.state = "expired"
        lifecycle.end_for_lost_upload(job.upload)
    lifecycle.undo(job)
    assert job.undone_at is not None
    assert not Customer.objects.exists()


def test_one_cut_short_is_finished_by_the_sweep(cut_short: Job) -> None:
    assert cut_short.is_undone
    assert Job.objects.filter(undone_at=None).exists()
    assert cut_short.customers.count() == 10
    assert refusal_of(cut_short).code == "undone_already"
    sweep()
    cut_short.refresh_from_db()
    assert cut_short.undone_at is not None
    assert not Customer.objects.exists()
    assert lifecycle.finish_undos() == 0


def test_deleting_the_job_in_the_middle_of_it_removes_the_rest(cut_short: Job) -> None:
    lifecycle.delete(cut_short)
    assert not Customer.objects.exists()
    assert not Job.objects.exists()


def test_one_that_is_changed_in_the_middle_of_it_stays(imported: Imported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undoing, "STEP", 5)
    job = imported(DATA)
    both = [Customer.objects.earliest("pk"), Customer.objects.latest("pk")]
    there = iter(both)

    def change_next() -> None:
        if customer := next(there, None):
            change(customer)

    with before_each_removal(change_next):
        lifecycle.undo(job)
    assert [(left, left.name) for left in Customer.objects.order_by("pk")] == [(each, "Changed") for each in both]
    assert job.undone_at is not None


@pytest.mark.parametrize("at_work", [False, True])
def test_it_is_refused_while_the_import_goes_on(make_upload: MakeUpload, settings: Any, at_work: bool) -> None:
    settings.IMPORT_WINDOW_BYTES = 300
    job = make_upload(DATA, chunk=len(DATA) // 2, whole=False, kind="customers").jobs.get()
    runner.run_all()
    if at_work:
        settings.IMPORT_WINDOW_BYTES = 1
        Job.objects.update(wanted_bytes=0)
        assert lifecycle.claim() is not None
        lifecycle.cancel(job)
    refused = refusal_of(job)
    assert (refused.status, refused.code) == (409, "job_open")
    assert not job.is_undone
    assert job.customers.exists()


def test_it_is_refused_twice(imported: Imported) -> None:
    job = imported(DATA)
    lifecycle.undo(job)
    at = job.undone_at
    refused = refusal_of(job)
    assert (refused.status, refused.code) == (409, "undone_already")
    job.refresh_from_db()
    assert job.undone_at == at


def test_it_is_refused_of_sales(finished: Imported) -> None:
    refused = refusal_of(finished(sales_csv(5)))
    assert (refused.status, refused.code) == (409, "not_undoable")


def test_it_is_refused_when_customers_were_changed_since(imported: Imported) -> None:
    job = imported(DATA)
    first, second = Customer.objects.order_by("pk")[:2]
    change(first)
    change(second)
    refused = refusal_of(job)
    assert (refused.status, refused.code) == (409, "customers_changed")
    assert refused.message.startswith("2 customers of this import have been changed since.")
    job.refresh_from_db()
    assert not job.is_undone
    assert Customer.objects.count() == 20
    first.delete()
    assert refusal_of(job).message.startswith("1 customer of this import")
    second.delete()
    lifecycle.undo(job)
    assert not Customer.objects.exists()


def test_of_two_at_once_one_is_refused(imported: Imported) -> None:
    job = imported(DATA)
    barrier = threading.Barrier(2)
    came: list[str] = []

    def undo() -> None:
        barrier.wait(10)
        try:
            lifecycle.undo(Job.objects.get(pk=job.pk))
            came.append("undone")
        except Refusal as refusal:
            came.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=undo) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(came) == ["undone", "undone_already"]
    assert not Customer.objects.exists()


def test_of_a_job_that_is_gone_it_is_refused(imported: Imported) -> None:
    job = imported(DATA)
    lifecycle.delete(Job.objects.get())
    assert refusal_of(job).status == 404


def test_its_addresses_are_free_again(imported: Imported) -> None:
    lifecycle.undo(imported(DATA))
    again = imported(DATA)
    assert (again.bad_rows, again.customers.count()) == (0, 20)


def test_an_undone_job_is_not_retried_but_run_again(make_upload: MakeUpload) -> None:
    job = make_upload(DATA, kind="customers").jobs.get()
    lifecycle.cancel(job)
    lifecycle.undo(job)
    with pytest.raises(Refusal) as refused:
        lifecycle.retry(job)
    assert (refused.value.status, refused.value.code) == (409, "job_not_retryable")
    again = lifecycle.run_again(job, {})
    runner.run_all()
    again.refresh_from_db()
    job.refresh_from_db()
    assert (job.status, again.status) == ("cancelled", "completed")
    assert again.customers.count() == Customer.objects.count() == 20


def test_deleting_the_job_keeps_its_customers(imported: Imported, user: User) -> None:
    lifecycle.delete(imported(DATA))
    assert Customer.objects.filter(owner=user, job=None).count() == 20
    again = imported(DATA)
    assert again.reasons == {"email_taken": 20}


def test_deleting_the_job_while_a_worker_commits_leaves_no_customer_that_names_it(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_upload(DATA, kind="customers").jobs.get()
    written, go_on = threading.Event(), threading.Event()
    advance = attempts.advance

    def slow(*args: Any, **kwargs: Any) -> None:
        # Nothing but the commit is left to do.
        advance(*args, **kwargs)
        written.set()
        go_on.wait(20)

    monkeypatch.setattr(attempts, "advance", slow)

    def in_a_thread(act: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                act()
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    worker = in_a_thread(runner.run_all)
    assert written.wait(20)
    deleting = in_a_thread(lambda: lifecycle.delete(job))
    # It may wait for the worker, or have finished already: both are right.
    deleting.join(0.5)
    go_on.set()
    worker.join(30)
    deleting.join(30)
    assert not Job.objects.exists()
    assert Customer.objects.filter(job=None).count() == Customer.objects.count()


def test_nothing_is_asked_of_the_database_when_nothing_is_to_be_undone(imported: Imported) -> None:
    imported(DATA)
    with CaptureQueriesContext(connection) as queries:
        assert lifecycle.finish_undos() == 0
    assert len(queries) == 1
