"""Many workers on one file: what they fold ahead is what the job's holder would have folded."""

import gzip
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from accounts.models import User
from reports import hints, lifecycle, runner, stopping, workers
from reports.lifecycle import orders
from reports.models import Attempt, Job, Split, Worker
from reports.pipelines import FoldedWindow
from reports.splits import ahead, encoding, help_one, helping
from reports.windows import Windows
from tests.conftest import MakeUpload, append
from tests.files import HEADER, sales_csv
from tests.reports.test_runner import check_against_reference, rejected_rows

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]

WINDOW = 2000
PLAIN = sales_csv(2000, bad_every=13)
QUOTED = HEADER.encode() + b"".join(
    b'"Toys, ""%d""\nand more",2024-01-%02d,%s\r\n' % (row % 7, row % 28 + 1, b"x" if row % 11 == 0 else b"%d" % row)
    for row in range(1500)
)
WINDOWS_1252 = HEADER.encode() + b"".join(b"K\xe4se %d,2024-01-01,%d\n" % (row % 9, row) for row in range(2000))
# A quote in the middle of a field is a character like any other; who begins in the middle cannot know.
STRAY = HEADER.encode() + b"".join(
    b"%s,2024-01-01,%d\n" % (b'5" pipe' if row % 3 else b'"Nuts\n12"', row) for row in range(2000)
)
LONG = PLAIN[:20_000] + b'\n"' + b"a long row\n" * 2000 + PLAIN[20_000:]


@pytest.fixture(autouse=True)
def _four_hands(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WINDOW_BYTES = WINDOW
    monkeypatch.setattr(ahead, "LOOK_BYTES", 500)
    monkeypatch.setattr(workers, "_hands", (0.0, 0))
    Worker.objects.create(name="here:1", started_at=Now(), seen_at=Now(), hands=4)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[FoldedWindow]:
    """What helpers have folded and the holder has taken."""
    taken: list[FoldedWindow] = []

    def decode(folded: bytes) -> FoldedWindow:
        taken.append(encoding.decode(folded))
        return taken[-1]

    monkeypatch.setattr(ahead, "decode", decode)
    return taken


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Somebody answers this share of the hints, at once."""

    def answer(share: float) -> None:
        numbers = random.Random(1)
        monkeypatch.setattr(hints, "send", lambda: numbers.random() < share and help_one())

    return answer


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
@pytest.mark.parametrize(
    "data", [PLAIN, QUOTED, WINDOWS_1252, STRAY, LONG], ids=["plain", "quoted", "1252", "stray", "long"]
)
def test_the_result_is_exact_however_much_others_help(
    make_upload: MakeUpload,
    helped: Callable[[float], None],
    used: list[FoldedWindow],
    settings: Any,
    data: bytes,
    share: float,
) -> None:
    settings.MAX_RECORD_BYTES = 5000
    upload = make_upload(data, chunk=3000)
    helped(share)
    runner.run_all()
    check_against_reference(Job.objects.get(upload=upload), data)
    assert bool(used) == bool(share)
    assert not Split.objects.exists()


def test_most_of_a_file_is_folded_by_helpers_that_are_fast(
    make_upload: MakeUpload, helped: Callable[[float], None], used: list[FoldedWindow]
) -> None:
    make_upload(PLAIN)
    helped(1.0)
    runner.run_all()
    assert sum(window.consumed for window in used) > 0.8 * len(PLAIN)


def test_while_the_upload_goes_on_what_has_come_is_folded_by_many(
    make_upload: MakeUpload, helped: Callable[[float], None], used: list[FoldedWindow]
) -> None:
    upload = make_upload(PLAIN, chunk=30_000, whole=False)
    helped(1.0)
    runner.run_all()
    first = len(used)
    assert first
    append(upload, PLAIN[30_000:])
    runner.run_all()
    assert len(used) > first
    check_against_reference(Job.objects.get(), PLAIN)


def test_a_worker_alone_lays_nothing_out(make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch) -> None:
    Worker.objects.update(hands=1)
    made: list[Split] = []
    monkeypatch.setattr(Split.objects, "bulk_create", lambda splits, **_kwargs: made.extend(splits))
    make_upload(PLAIN)
    runner.run_all()
    assert not made
    check_against_reference(Job.objects.get(), PLAIN)


def test_a_packed_file_is_not_split(make_upload: MakeUpload, helped: Callable[[float], None], used: list[Any]) -> None:
    make_upload(gzip.compress(PLAIN))
    helped(1.0)
    runner.run_all()
    assert Job.objects.get().status == "completed"
    assert not used


@pytest.fixture
def laid_out(make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job whose holder has laid out splits behind its second window, and is no more."""
    monkeypatch.setattr(hints, "send", lambda: False)
    make_upload(PLAIN)
    claim = lifecycle.claim()
    assert claim is not None
    job = claim.rows().select_related("upload").get()
    with Windows(job) as windows:
        for _window in range(2):
            folded = windows.next()
            assert folded is not None
            runner._commit(claim, folded)
    lifecycle.release(claim)
    job.refresh_from_db()
    assert Split.objects.filter(job=job).count() == 6
    return job


def test_splits_follow_each_other_from_where_the_holder_will_arrive(laid_out: Job) -> None:
    stretches = list(Split.objects.values_list("start", "end"))
    assert stretches[0][0] == laid_out.position
    assert all(one[1] == other[0] for one, other in pairwise(stretches))
    assert all(WINDOW <= end - start < WINDOW + 100 for start, end in stretches)


def test_of_helpers_that_look_at_once_each_takes_another_split(laid_out: Job) -> None:
    taken = [helping.take() for _ in range(7)]
    assert taken[6] is None
    assert len({one.start for one in taken[:6] if one}) == 6


def test_a_split_whose_beginning_was_guessed_wrong_is_never_committed(laid_out: Job, used: list[FoldedWindow]) -> None:
    for split in Split.objects.all():
        Split.objects.filter(pk=split.pk).update(start=split.start + 3)
    while help_one():
        pass
    runner.run_all()
    check_against_reference(Job.objects.get(), PLAIN)
    assert not used


def test_of_a_helper_that_dies_the_holder_waits_no_longer_than_the_lease(laid_out: Job) -> None:
    assert helping.take() is not None
    Split.objects.exclude(lease_until=None).update(lease_until=Now() - timedelta(seconds=1))
    runner.run_all()
    check_against_reference(Job.objects.get(), PLAIN)


def test_a_helper_that_comes_too_late_changes_nothing(laid_out: Job) -> None:
    taken = helping.take()
    assert taken is not None
    window = helping._fold(taken)
    Split.objects.exclude(lease_until=None).update(lease_until=Now() - timedelta(seconds=1))
    runner.run_all()
    assert helping.hand_in(taken, window) == "late"
    check_against_reference(Job.objects.get(), PLAIN)


def test_the_holder_waits_for_a_helper_at_work(laid_out: Job, used: list[FoldedWindow], settings: Any) -> None:
    settings.LEASE_SECONDS = 60
    taken = helping.take()
    assert taken is not None
    with pytest.MonkeyPatch.context() as patch:
        # The holder has nothing else to do, and looks again and again.
        waits = threading.Event()
        patch.setattr("reports.splits.ahead.stopping.wait", lambda _seconds: waits.set())
        holder = threading.Thread(target=_run_all)
        holder.start()
        assert waits.wait(20)
        assert Job.objects.get().position == taken.start
        assert helping.hand_in(taken, helping._fold(taken)) == "folded"
        holder.join(60)
    check_against_reference(Job.objects.get(), PLAIN)
    # It has folded those behind it meanwhile.
    assert len(used) >= 6


def _run_all() -> None:
    try:
        runner.run_all()
    finally:
        connection.close()


def test_what_a_helper_cannot_read_is_the_holders_to_find_and_to_tell(laid_out: Job) -> None:
    part = laid_out.upload.parts.get(offset=0)
    part.storage_name += "-lost"
    part.save()
    assert help_one()
    assert Split.objects.filter(given_up=True).count() == 1
    runner.run_all()
    job = Job.objects.get()
    assert (job.status, job.error_code) == ("failed", "upload_damaged")
    assert not Split.objects.exists()


def test_what_almost_only_rejects_is_not_sent_through_the_database(
    laid_out: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helping, "MAX_BYTES", 100)
    assert help_one()
    assert Split.objects.filter(given_up=True).count() == 1
    runner.run_all()
    check_against_reference(Job.objects.get(), PLAIN)


def test_rejected_rows_that_helpers_found_have_their_numbers_in_the_file_and_the_lists_limit(
    laid_out: Job, settings: Any
) -> None:
    settings.MAX_REJECTED_ROWS = 30
    while help_one():
        pass
    runner.run_all()
    job = Job.objects.get()
    report = rejected_rows(job)
    assert [line[0] for line in report[1:-1]] == [str(13 * row) for row in range(1, 31)]
    assert "only the first 30" in report[-1][-1]
    assert job.bad_rows == 2000 // 13


@pytest.mark.parametrize(("listed", "helped_with"), [(1_000_000, False), (50, True)])
def test_a_file_that_is_mostly_rejected_is_split_only_once_its_list_is_full(
    make_upload: MakeUpload,
    helped: Callable[[float], None],
    used: list[FoldedWindow],
    settings: Any,
    listed: int,
    helped_with: bool,
) -> None:
    settings.MAX_REJECTED_ROWS = listed
    data = sales_csv(2000, bad_every=2)
    make_upload(data)
    helped(1.0)
    runner.run_all()
    job = Job.objects.get()
    assert (job.status, job.rows, job.bad_rows) == ("completed", 2000, 1000)
    assert bool(used) == helped_with
    assert all(not window.rejected for window in used)
    assert len(rejected_rows(job)) == (1 + 1000 if listed > 1000 else 1 + 50 + 1)


def test_a_cancelled_jobs_splits_are_gone_and_nobody_minds(laid_out: Job) -> None:
    taken = helping.take()
    assert taken is not None
    orders.cancel(laid_out)
    assert not Split.objects.exists()
    assert helping.hand_in(taken, helping._fold(taken)) == "late"
    assert not help_one()


def test_a_deleted_jobs_split_is_given_up_quietly(laid_out: Job, caplog: pytest.LogCaptureFixture) -> None:
    taken = helping.take()
    assert taken is not None
    lifecycle.delete(laid_out)
    assert helping.hand_in(taken, helping._fold(taken)) == "late"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_what_came_of_a_split_is_the_same_behind_the_database() -> None:
    window = FoldedWindow(7, 3, 2, b"state\n\0", {"layout": 1}, [b"1,a\n", b'2,"b\n",c\n', b""])
    assert encoding.decode(encoding.encode(window)) == window


def order_of_ends() -> list[str]:
    return list(Job.objects.order_by("finished_at").values_list("upload__filename", flat=True))


@pytest.mark.parametrize("whose", ["a stranger", "the same person"])
def test_a_small_job_does_not_wait_for_the_end_of_a_large_one(
    make_upload: MakeUpload, user: User, stranger: User, settings: Any, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    settings.TURN_SECONDS = 0
    Worker.objects.update(hands=1)
    make_upload(PLAIN, name="large.csv")
    commit = runner._commit
    windows = []

    def then_another_comes(*arguments: Any) -> FoldedWindow:
        windows.append(commit(*arguments))
        if len(windows) == 5:
            make_upload(PLAIN[:500], name="small.csv", owner=stranger if whose == "a stranger" else user)
        return windows[-1]

    monkeypatch.setattr(runner, "_commit", then_another_comes)
    runner.run_all()
    assert order_of_ends() == ["small.csv", "large.csv"]
    check_against_reference(Job.objects.get(upload__filename="large.csv"), PLAIN)
    # Whoever has stepped back is still at the same attempt.
    assert Attempt.objects.filter(job__upload__filename="large.csv").count() == 1


def test_a_job_that_nobody_waits_for_is_not_let_go(make_upload: MakeUpload, settings: Any) -> None:
    settings.TURN_SECONDS = 0
    make_upload(PLAIN)
    assert runner.run_all() == 1


def test_two_large_jobs_take_turns(make_upload: MakeUpload, stranger: User, settings: Any) -> None:
    settings.TURN_SECONDS = 0
    Worker.objects.update(hands=1)
    make_upload(PLAIN)
    make_upload(QUOTED, owner=stranger)
    assert runner.run_all() > 20
    for job, data in zip(Job.objects.order_by("created_at"), (PLAIN, QUOTED), strict=True):
        check_against_reference(job, data)


def test_a_worker_knows_how_many_hands_there_are_to_help() -> None:
    Worker.objects.create(name="there:1", started_at=Now(), seen_at=Now(), hands=8)
    Worker.objects.create(name="lost:1", started_at=Now(), seen_at=Now() - timedelta(hours=1), hands=16)
    assert workers.hands() == 12


def test_owning_worker_waits_longer_each_time_for_a_helper(
    laid_out: Job, monkeypatch: pytest.MonkeyPatch, used: list[FoldedWindow]
) -> None:
    """Another worker has taken every split; the first is submitted at the owning worker's twentieth look."""
    taken = list(iter(helping.take, None))
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 20:
            for one in taken:
                helping.hand_in(one, helping._fold(one))
        return False

    monkeypatch.setattr(stopping, "wait", wait)
    runner.run_all()
    check_against_reference(Job.objects.get(), PLAIN)
    assert len(used) == len(taken)
    assert pauses == sorted(pauses)
    assert pauses[-1] == ahead._LONGEST_PAUSE_SECONDS
