"""Writers that meet: two imports of one owner, an import and a change by hand. Addresses stay unique, nobody is stuck.

Turns forbid the first by themselves, so both jobs are taken by force here.
"""

import gzip
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.errors import Refusal
from accounts.models import User
from reports import runner, sources
from reports.customers import changes
from reports.lifecycle import Claim, claims
from reports.models import Customer, Job
from reports.pipelines.customers import CustomersPipeline
from tests.conftest import MakeUpload
from tests.files import customers_csv
from uploads.models import Upload
from uploads.storage import StorageAway

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
MakeImport = Callable[..., Job]
HEAD = b"name,email,phone,company\n"


@pytest.fixture
def make_import(make_upload: MakeUpload) -> MakeImport:
    def make(data: bytes) -> Job:
        return make_upload(data, kind="customers").jobs.get()

    return make


def take(job: Job) -> Claim:
    """Claim the job, whoever's turn it is."""
    with transaction.atomic():
        claim = claims._take(Job.objects.get(pk=job.pk))
    assert claim is not None
    return claim


def beside(act: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def shuffled(data: bytes, seed: int) -> bytes:
    head, *rows = data.splitlines(keepends=True)
    random.Random(seed).shuffle(rows)
    return head + b"".join(rows)


def there(owner: User, email: str) -> Customer:
    return Customer.objects.create(
        owner=owner,
        row_number=1,
        name="There",
        email=email,
        email_key=email.lower(),
        company="Before",
        created_at=timezone.now(),
    )


def rows(*names: str) -> bytes:
    return HEAD + "".join(f"{name},{name}@example.org,,C\n" for name in names).encode()


@pytest.mark.parametrize("window", [4000, 1_000_000], ids=["small windows", "one window"])
def test_two_overlapping_imports_at_once_keep_addresses_unique_and_all_rows_are_accounted_for(
    make_import: MakeImport, user: User, settings: Any, window: int
) -> None:
    settings.IMPORT_WINDOW_BYTES = window
    jobs = [
        make_import(shuffled(customers_csv(3000), seed=1)),
        make_import(shuffled(customers_csv(3000, first=1001), seed=2)),
        make_import(shuffled(customers_csv(3000), seed=3)),
    ]
    claims = [take(job) for job in jobs]
    barrier = threading.Barrier(len(claims))

    def work(claim: Claim) -> None:
        barrier.wait(20)
        runner.run(claim)

    for thread in [beside(lambda claim=claim: work(claim)) for claim in claims]:  # type: ignore[misc]
        thread.join(60)
    for job in jobs:
        job.refresh_from_db()
        assert (job.status, job.rows, job.attempts.get().outcome) == ("completed", 3000, "completed")
        assert job.customers.count() == job.rows - job.bad_rows
        assert job.reasons == ({"email_taken": job.bad_rows} if job.bad_rows else {})
        assert sum(rejected.rows for rejected in job.rejected.all()) == job.bad_rows
    assert Customer.objects.filter(owner=user).count() == 4000
    assert sum(job.bad_rows for job in jobs) == 5000


@pytest.mark.parametrize("first_commits", [True, False])
def test_a_row_that_another_import_is_just_writing_is_taken_only_if_that_commits(
    make_import: MakeImport, monkeypatch: pytest.MonkeyPatch, first_commits: bool
) -> None:
    first, second = make_import(rows("a", "b")), make_import(rows("b", "c"))
    claims = [take(first), take(second)]
    written, go_on = threading.Event(), threading.Event()
    keep = CustomersPipeline.keep

    def slow(self: CustomersPipeline, job: Job, *args: Any) -> None:
        keep(self, job, *args)
        if job.pk == first.pk:
            written.set()
            go_on.wait(20)
            if not first_commits:
                Job.objects.filter(pk=first.pk).update(token=None, lease_until=None)

    monkeypatch.setattr(CustomersPipeline, "keep", slow)
    at_first = beside(lambda: runner.run(claims[0]))
    assert written.wait(20)
    at_second = beside(lambda: runner.run(claims[1]))
    at_second.join(0.3)
    assert at_second.is_alive()
    go_on.set()
    at_first.join(30)
    at_second.join(30)
    second.refresh_from_db()
    assert (second.status, second.rows) == ("completed", 2)
    assert second.reasons == ({"email_taken": 1} if first_commits else {})
    assert list(first.customers.order_by("email").values_list("name", flat=True)) == ["a", "b"] * first_commits


def test_an_import_and_a_change_by_hand_to_one_of_its_addresses_do_not_both_win(
    make_import: MakeImport, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = there(user, "old@example.org")
    job = make_import(rows("new", "other"))
    written, go_on = threading.Event(), threading.Event()
    keep = CustomersPipeline.keep

    def slow(self: CustomersPipeline, *args: Any) -> None:
        keep(self, *args)
        written.set()
        go_on.wait(20)

    monkeypatch.setattr(CustomersPipeline, "keep", slow)
    refused: list[str] = []

    def change() -> None:
        try:
            changes.change(customer, name="There", email="NEW@example.org", phone="", company="Before")
        except Refusal as refusal:
            refused.append(refusal.code)

    at_work = beside(runner.run_all)
    assert written.wait(20)
    by_hand = beside(change)
    by_hand.join(0.3)
    go_on.set()
    at_work.join(30)
    by_hand.join(30)
    assert refused == ["email_taken"]
    job.refresh_from_db()
    assert (job.status, job.bad_rows) == ("completed", 0)
    assert set(Customer.objects.values_list("email", flat=True)) == {
        f"{name}@example.org" for name in ("old", "new", "other")
    }


def test_an_address_that_was_changed_by_hand_is_taken_and_the_one_before_is_free(
    make_import: MakeImport, user: User
) -> None:
    customer = there(user, "old@example.org")
    changes.change(customer, name="There", email="New@example.org", phone="", company="Before")
    job = make_import(rows("new", "old"))
    runner.run_all()
    job.refresh_from_db()
    assert job.reasons == {"email_taken": 1}
    assert list(job.customers.values_list("email", flat=True)) == ["old@example.org"]


def test_an_import_and_a_change_by_hand_never_wait_for_each_other_in_a_circle(
    make_import: MakeImport, user: User
) -> None:
    """The file has the customer's address before and after; the import has written the one and not yet the other when
    the change comes."""
    customer = there(user, "z@example.org")
    job = make_import(rows("a", "m", "z"))
    told: list[object] = []

    def change() -> None:
        try:
            told.append(changes.change(customer, name="There", email="a@example.org", phone="", company="Before"))
        except Exception as error:
            told.append(error)

    with transaction.atomic():
        # Holds the import up in the middle of its statement, where the database has no other means to.
        there(user, "m@example.org")
        at_work = beside(runner.run_all)
        at_work.join(0.5)
        by_hand = beside(change)
        by_hand.join(0.5)
        transaction.set_rollback(True)
    at_work.join(30)
    by_hand.join(30)
    job.refresh_from_db()
    assert (job.status, job.attempts.get().outcome) == ("completed", "completed")
    assert [type(each) for each in told] in ([Customer], [Refusal])
    keys = sorted(Customer.objects.values_list("email_key", flat=True))
    assert len(keys) == len(set(keys)) == 1 + job.rows - job.bad_rows


def test_damaged_window_does_not_cost_the_one_before_it(make_import: MakeImport, settings: Any) -> None:
    """The first window is committed while the second, which is damaged, is read ahead."""
    settings.IMPORT_WINDOW_BYTES = 20_000
    data = customers_csv(2000)
    packed = bytearray(gzip.compress(data, compresslevel=0))
    packed[-8:-4] = b"\0\0\0\0"  # the checksum
    job = make_import(bytes(packed))
    runner.run_all()
    job.refresh_from_db()
    assert (job.status, job.error_code) == ("failed", "gzip_damaged")
    assert job.rows == Customer.objects.count()
    assert job.rows > 1700


def test_storage_outage_does_not_cost_the_window_before_it(
    make_import: MakeImport, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IMPORT_WINDOW_BYTES = 20_000
    job = make_import(customers_csv(2000))
    source_read = sources.PlainSource.read

    def read(source: sources.PlainSource, upload: Upload, size: int, pause: sources.Pause) -> sources.Data | None:
        if source.position:
            raise StorageAway
        return source_read(source, upload, size, pause)

    with monkeypatch.context() as patched:
        patched.setattr(sources.PlainSource, "read", read)
        runner.run_all()
    job.refresh_from_db()
    assert job.status == "processing"
    assert job.rows == Customer.objects.count() > 0
    Job.objects.update(lease_until=None)
    runner.run_all()
    job.refresh_from_db()
    assert (job.status, job.rows, Customer.objects.count()) == ("completed", 2000, 2000)
