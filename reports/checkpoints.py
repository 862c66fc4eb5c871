"""A job's checkpoints, kept few by merging in levels.

Writing all totals after every window would make a file with a million departments quadratic; keeping one state for each
window would make every resumption read them all. So states of one level are merged into one of the next when there are
`FAN_IN` of them, as in a log-structured merge tree: n windows leave O(log n) states, each byte of state is rewritten
O(log n) times.
"""

import uuid
from dataclasses import dataclass

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
    while len(full := list(Checkpoint.objects.filter(job=job_id, level=level).exclude(pk__in=merged))) + 1 >= FAN_IN:
        pipeline = pipeline_for(Job.objects.values_list("kind", flat=True).get(pk=job_id))
        state = pipeline.merge([*(bytes(checkpoint.state) for checkpoint in full), state])
        start = full[0].start
        merged += [checkpoint.pk for checkpoint in full]
        level += 1
    return Plan(Checkpoint(job_id=job_id, level=level, start=start, end=end, state=state), merged)


def store(plan: Plan) -> None:
    """Carry the plan out. The caller holds the job's row in a transaction."""
    if plan.merged:
        Checkpoint.objects.filter(pk__in=plan.merged).delete()
    plan.checkpoint.save(force_insert=True)


def states(job_id: uuid.UUID) -> list[bytes]:
    """What a worker needs to go on, in order."""
    return [bytes(state) for state in Checkpoint.objects.filter(job=job_id).values_list("state", flat=True)]


def remove(job_id: uuid.UUID) -> None:
    Checkpoint.objects.filter(job=job_id).delete()
