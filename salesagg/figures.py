"""What a site is as a whole, read from the database when Prometheus asks: jobs by state, the queue, the workers."""

import logging
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django.db.models import Count, F, Max, Min
from django.db.models.functions import Coalesce, Greatest, Now
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from accounts import metrics
from reports import lifecycle, workers
from reports.models import Job
from uploads.models import Upload

logger = logging.getLogger(__name__)
# Several who ask at once, and who ask often, are told the same.
CACHE_SECONDS = 5.0


class Figures:
    """A collector of prometheus_client's. While the database is away it gives nothing, and the rest is told all the
    same."""

    def __init__(self, *, own_thread: bool = False) -> None:
        """`own_thread`: it is asked in threads that Django does not look after, which must leave no connection."""
        self._own_thread = own_thread
        self._lock = threading.Lock()
        self._read_at = -CACHE_SECONDS
        self._found: list[Metric] = []

    def describe(self) -> list[Metric]:
        """Nothing, so that nobody reads the database to find out the names."""
        return []

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if time.monotonic() - self._read_at >= CACHE_SECONDS:
                try:
                    self._found = [*_jobs(), *_queue(), *_workers(), *_uploads(), *_disk()]
                except Exception as error:
                    metrics.note_failure(error)
                    logger.warning("figures not read: %r", error)
                    self._found = []
                finally:
                    if self._own_thread:
                        connection.close()
                self._read_at = time.monotonic()
            return self._found


def _jobs() -> Iterable[Metric]:
    counts = dict(Job.objects.order_by().values_list("status").annotate(Count("pk")))
    states = {status.value: counts.get(status.value, 0) for status in Job.Status}
    yield _gauge("salesagg_jobs", "Jobs there are, by state.", "status", states)


def _queue() -> Iterable[Metric]:
    """A job waits since its latest bytes came, or since its worker let go of it or was lost."""
    life = timedelta(hours=settings.UPLOAD_EXPIRES_HOURS)
    bytes_came = Coalesce("upload__completed_at", F("upload__expires_at") - life)
    since = Greatest(
        "created_at", bytes_came, Coalesce("claimed_at", "created_at"), Coalesce("lease_until", "created_at")
    )
    waiting = lifecycle.runnable().annotate(since=since, asked=Now())
    found = waiting.aggregate(count=Count("pk"), oldest=Min("since"), now=Max("asked"))
    age = (found["now"] - found["oldest"]).total_seconds() if found["count"] else 0.0
    yield _gauge(
        "salesagg_queue_jobs", "Jobs that could be worked on and that no worker has.", "", {"": found["count"]}
    )
    yield _gauge("salesagg_queue_age_seconds", "How long the oldest of them has waited.", "", {"": max(age, 0.0)})


def _workers() -> Iterable[Metric]:
    known: list[Any] = list(workers.all_known())
    alive = [worker.hands for worker in known if not worker.silent]
    states = {"alive": len(alive), "silent": len(known) - len(alive)}
    yield _gauge("salesagg_workers", "Workers, by whether they have given a sign of life lately.", "state", states)
    yield _gauge("salesagg_worker_hands", "Jobs that all workers alive can work on at a time.", "", {"": sum(alive)})


def _uploads() -> Iterable[Metric]:
    receiving = Upload.objects.filter(state=Upload.State.RECEIVING).count()
    yield _gauge("salesagg_uploads_receiving", "Uploads that are not whole yet.", "", {"": receiving})


def _disk() -> Iterable[Metric]:
    """Of the files where they are on a disk of this machine; an object store tells its own."""
    if isinstance(default_storage, FileSystemStorage):
        folder = Path(default_storage.location)
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        yield _gauge("salesagg_storage_free_bytes", "Free where files are stored.", "", {"": free})


def _gauge(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, told, labels=[label] if label else [])
    for value, number in values.items():
        family.add_metric([value] if label else [], number)
    return family
