"""A job's checkpoints, kept few by merging in levels.

Writing all totals after every window would make a file with a million departments quadratic; keeping one state for each
window would make every resumption read them all. So states of one level are merged into one of the next when there are
`FAN_IN` of them, as in a log-structured merge tree: n windows leave O(log n) states, each byte of state is rewritten
O(log n) times.
"""

import uuid
from dataclasses import dataclass

from django.db.models import QuerySet

from reports.models import Checkpoint, Job
from reports.pipelines import pipeline_for

FAN_IN = 8


@dataclass(frozen=True)
class Plan:
    """One checkpoint to be stored in place of others."""

    checkpoint: Checkpoint
    merged: list[int]


def plan(job_id: uuid.UUID, *, start: int, end: int, state: bytes) -> Plan:
    """What to store for a window's state, whose bytes follow those of the checkpoints there are."""
    level = 0
    merged: list[int] = []
    # States are large, and most commits merge nothing: read the keys alone, and the states only of a full level.
    while len(full := _keys(job_id, level)) + 1 >= FAN_IN:
        pipeline = pipeline_for(Job.objects.values_list("kind", flat=True).get(pk=job_id))
        keys = [key for key, _start in full]
        state = pipeline.merge([*_states(Checkpoint.objects.filter(pk__in=keys)), state])
        start = full[0][1]
        merged += keys
        level += 1
    return Plan(Checkpoint(job_id=job_id, level=level, start=start, end=end, state=state), merged)


def store(plan: Plan) -> None:
    """Carry the plan out. The caller holds the job's row in a transaction."""
    if plan.merged:
        Checkpoint.objects.filter(pk__in=plan.merged).delete()
    plan.checkpoint.save(force_insert=True)


def states(job_id: uuid.UUID) -> list[bytes]:
    """What a worker needs to go on, in order."""
    return _states(Checkpoint.objects.filter(job=job_id))


def remove(job_id: uuid.UUID) -> None:
    Checkpoint.objects.filter(job=job_id).delete()


def _keys(job_id: uuid.UUID, level: int) -> list[tuple[int, int]]:
    """The primary key and the start of each checkpoint of a level, in the order of the file."""
    return list(Checkpoint.objects.filter(job=job_id, level=level).values_list("pk", "start"))


def _states(checkpoints: QuerySet[Checkpoint]) -> list[bytes]:
    """The states of `checkpoints`, in the order of the file."""
    return [bytes(state) for state in checkpoints.values_list("state", flat=True)]
