"""A job's checkpoints, kept few by merging in levels.

Writing all totals after every window would make a file with a million departments quadratic; keeping one state for each
window would make every resumption read them all. So states of one level are merged into one of the next when there are
`FAN_IN` of them, as in a log-structured merge tree: n windows leave O(log n) states, each byte of state is rewritten
O(log n) times.
"""

import uuid

from reports.models import Checkpoint, Job
from reports.pipelines import pipeline_for

FAN_IN = 8


def add(job_id: uuid.UUID, *, start: int, end: int, state: bytes) -> None:
    """Add a window's state. The caller holds the job's row in a transaction."""
    Checkpoint.objects.create(job_id=job_id, start=start, end=end, state=state)
    level = 0
    while _merge(job_id, level):
        level += 1


def states(job_id: uuid.UUID) -> list[bytes]:
    """What a worker needs to go on, in order."""
    return [bytes(state) for state in Checkpoint.objects.filter(job=job_id).values_list("state", flat=True)]


def remove(job_id: uuid.UUID) -> None:
    Checkpoint.objects.filter(job=job_id).delete()


def _merge(job_id: uuid.UUID, level: int) -> bool:
    """Merge the states of `level` into one of the next when they are enough; returns whether they were."""
    full = Checkpoint.objects.filter(job=job_id, level=level)
    if full.count() < FAN_IN:
        return False
    merged = list(full)
    pipeline = pipeline_for(Job.objects.values_list("kind", flat=True).get(pk=job_id))
    state = pipeline.merge([bytes(checkpoint.state) for checkpoint in merged])
    full.delete()
    Checkpoint.objects.create(job_id=job_id, level=level + 1, start=merged[0].start, end=merged[-1].end, state=state)
    return True
