"""Forms of results that must be whole before their first byte can be sent: workbooks and Parquet.

A worker makes each once; then it is kept in the storage beside the result and deleted with its job. A request for one
that is not there yet only writes down that it is wanted, and its response waits without a thread.

One export is made by one worker at a time, which has a lease and writes under a token. Failure story: worker A is
stopped longer than its lease, worker B makes the export, and A wakes up and stores its own. A's UPDATE names a token
that is no longer there, so A deletes the file that it has stored. Wake-ups may be lost: every worker looks for itself
once a second.
"""

import asyncio
import logging
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, Any, cast

import django.db
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import F, Max, OuterRef, Q, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import metrics
from accounts.errors import Refusal
from reports import readings, results
from reports.formats import FORMATS
from reports.lifecycle import lease_end
from reports.models import Export, Job
from reports.sockets import in_thread
from uploads.storage import StorageAway

logger = logging.getLogger(__name__)

# A result of at most so many lines, in at most so many bytes of CSV, is made in the request itself: it takes less time
# than waiting for a worker.
SMALL_LINES = 5_000
SMALL_BYTES = 1024 * 1024
# A worker that fails leaves the export alone for so long; after so many attempts nobody tries before it is asked for
# again, and not sooner than that after it was last asked for.
RETRY_SECONDS = 10
MAX_ATTEMPTS = 3
ASK_AGAIN_SECONDS = 60
# How often those who wait for an export look for it, all of a process together, and how long they wait.
POLL_SECONDS = 0.5
WAIT_SECONDS = 600.0
# Set when an export was asked for in this process. Other processes look every second.
wake = threading.Event()


def is_export(kind: str) -> bool:
    """Whether results have to be written whole to be had as `kind`."""
    return FORMATS[kind].write is not None


def is_small(job: Job) -> bool:
    """Whether an export of the completed `job` takes so little that it is not worth keeping."""
    lines = max(job.departments or 0, job.months.count())
    return lines <= SMALL_LINES and default_storage.size(job.result_name) <= SMALL_BYTES


def made_here(job: Job, kind: str) -> tuple[IO[bytes], int]:
    """The export of a small result, made now, and its size."""
    file: Any = tempfile.SpooledTemporaryFile(2 * SMALL_BYTES)  # noqa: SIM115  (closed by the sender)
    write(job, kind, file)
    size = file.tell()
    file.seek(0)
    return file, size


def find(job: Job, kind: str) -> Export | None:
    """The export, if it has been made."""
    return Export.objects.filter(job=job, kind=kind).exclude(storage_name="").first()


def request(job: Job, kind: str) -> Export:
    """The export, made or from now on to be made. Raises `Refusal` (503) if making it has failed a moment ago."""
    export, _created = Export.objects.get_or_create(job=job, kind=kind, defaults={"requested_at": Now()})
    if not export.storage_name:
        _ask_again(export)
        wake.set()
    return export


async def prepare(job: Job, kind: str | None) -> None:
    """Return when `job` can be had as `kind` without waiting for a worker. Raises `Refusal` (503)."""
    if kind is not None and is_export(kind) and job.status == Job.Status.COMPLETED and job.result_name:
        export = await in_thread(_request_unless_small, job, kind)
        if export is not None:
            await wait(export)


async def wait(export: Export) -> Export:
    """Return the export when it has been made. Raises `Refusal`: 503 when that failed, 404 when its job is gone."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while (found := await _look(export.pk)) is None or not found.storage_name:
                await asyncio.sleep(POLL_SECONDS)
            return found
    except TimeoutError:
        raise _failed() from None


def claim() -> Export | None:
    """The next export to make, now with a lease: the oldest of the owner who has waited the longest for a turn."""
    theirs = Export.objects.filter(job__owner=OuterRef("job__owner")).values("job__owner").order_by()
    served = Subquery(theirs.annotate(latest=Max("claimed_at")).values("latest"))
    wanted = Export.objects.filter(_free()).annotate(served=served).select_related("job__upload")
    while (export := wanted.order_by(F("served").asc(nulls_first=True), "requested_at").first()) is not None:
        token = uuid.uuid4()
        if Export.objects.filter(_free(), pk=export.pk).update(
            token=token, lease_until=lease_end(), claimed_at=Now(), attempts=F("attempts") + 1
        ):
            export.token = token
            return export
        # Another worker was faster; there may be something else to make.
    return None


def make(export: Export) -> None:
    """Make a claimed export and keep it. Nothing is raised for its sake: what fails is tried again."""
    assert export.token is not None
    ours = Export.objects.filter(pk=export.pk, token=export.token)
    try:
        with _renewed(ours):
            name, size = _stored(export)
    except Exception as error:
        counts = not isinstance(error, StorageAway)
        metrics.note_failure(error)
        logger.exception("%s was not made; it is tried again", export)
        later = Now() + timedelta(seconds=RETRY_SECONDS)
        ours.update(token=None, lease_until=later, attempts=F("attempts") - (0 if counts else 1))
        return
    if not ours.update(token=None, lease_until=None, storage_name=name, size=size):
        # Its job was deleted meanwhile, or another worker has made it.
        default_storage.delete(name)


def make_all() -> int:
    """Make what has been asked for, one export after another; returns how many."""
    made = 0
    while (export := claim()) is not None:
        make(export)
        made += 1
    return made


def remove_orphans() -> int:
    """Delete the rows of exports whose job is gone; returns how many."""
    return Export.objects.exclude(job__in=Job.objects.all()).delete()[0]


def write(job: Job, kind: str, out: IO[bytes]) -> None:
    """Write `job` as `kind`."""
    writer = FORMATS[kind].write
    assert writer is not None
    writer(job, out)


def _request_unless_small(job: Job, kind: str) -> Export | None:
    return None if is_small(job) else request(job, kind)


def _free() -> Q:
    """To be made, and nobody is making it."""
    return Q(storage_name="", attempts__lt=MAX_ATTEMPTS) & (Q(lease_until=None) | Q(lease_until__lt=Now()))


def _ask_again(export: Export) -> None:
    """If making the export was given up, begin again, unless that was a moment ago. Raises `Refusal` (503)."""
    given_up = Export.objects.filter(Q(token=None) | Q(lease_until__lt=Now()), pk=export.pk, attempts__gte=MAX_ATTEMPTS)
    long_ago = Now() - timedelta(seconds=ASK_AGAIN_SECONDS)
    asked = {"attempts": 0, "token": None, "lease_until": None, "requested_at": Now()}  # nosec B105
    if export.attempts < MAX_ATTEMPTS or given_up.filter(requested_at__lt=long_ago).update(**asked):
        return
    if given_up.exists():
        raise _failed()


async def _look(pk: int) -> Export | None:
    """The export as it is now; None while the database does not say. Raises `Refusal` when it will not come."""
    try:
        found: list[tuple[Export, bool]] = await readings.read(
            ("export", pk), lambda: _read(pk), max_age=POLL_SECONDS / 2, enough=lambda found: True
        )
    except django.db.Error as error:
        logger.warning("export %s not read: %r", pk, error)
        return None
    if not found:
        raise Refusal("not_found", _("The report has been deleted."), status=404)
    [(export, has_failed)] = found
    if has_failed:
        raise _failed()
    return export


def _read(pk: int) -> list[tuple[Export, bool]]:
    rows = Export.objects.filter(pk=pk)
    has_failed = rows.filter(storage_name="", token=None, attempts__gte=MAX_ATTEMPTS).exists()
    return [(export, has_failed) for export in rows]


def _stored(export: Export) -> tuple[str, int]:
    """The name and the size of the export's file, now in the storage."""
    assert export.token is not None
    with tempfile.TemporaryFile() as file:
        write(export.job, export.kind, cast(IO[bytes], file))
        size = file.tell()
        file.seek(0)
        return results.store_export(File(file), export.job_id, kind=export.kind, token=export.token), size


@contextmanager
def _renewed(ours: "django.db.models.QuerySet[Export]") -> Iterator[None]:
    """Prolong the lease from a thread of its own meanwhile."""
    stopped = threading.Event()
    thread = threading.Thread(target=_renew, args=[ours, stopped], name="export lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _renew(ours: "django.db.models.QuerySet[Export]", stopped: threading.Event) -> None:
    while not stopped.wait(settings.LEASE_SECONDS / 3):
        try:
            ours.update(lease_until=lease_end())
        except django.db.Error:
            logger.exception("the lease of an export is not renewed")
    connection.close()


def _failed() -> Refusal:
    message = _("This file could not be made. Try again in a minute, or download another format.")
    return Refusal("export_failed", message, status=503, headers={"Retry-After": str(ASK_AGAIN_SECONDS)})
