"""Worker processes: what they are called, and which of them are alive.

A worker that uses a pool of processes is one worker all the same: its children are called as it is, since what is alive
or lost, and what an operator ends or starts, is the whole. All times are the database's.
"""

import os
import socket
import time
from datetime import timedelta

from django.conf import settings
from django.db.models import BooleanField, Case, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Now

from accounts import logcontext
from reports.models import Worker

# A worker that was lost is shown as such for as long; then it is history.
FORGOTTEN_AFTER = timedelta(days=1)
# So many sweeps may be late, by a busy machine, before a worker counts as lost.
SWEEPS_MISSED = 6

# What `hands` found may be so old; it is asked with every window.
_HANDS_SECONDS = 2.0

_main_pid: int | None = None
_hands: tuple[float, int] = (0.0, 0)


def be_main() -> None:
    """This process is the worker, and what it forks are its hands. Called before it forks."""
    global _main_pid
    _main_pid = os.getpid()
    logcontext.always(worker=name())


def name() -> str:
    """The worker that this process belongs to, as operators know it: its host and its number there."""
    return f"{socket.gethostname()}:{_main_pid or os.getpid()}"


def arrive(hands: int = 1) -> None:
    """This worker has started; one of the same name (a container's first process is always number 1) is no more."""
    Worker.objects.update_or_create(name=name(), defaults={"started_at": Now(), "seen_at": Now(), "hands": hands})


def note(hands: int = 1) -> None:
    """A sign of life, by which others are forgotten that have given none for long."""
    if not Worker.objects.filter(name=name()).update(seen_at=Now()):
        # Forgotten itself: a laptop has slept over the week-end.
        arrive(hands)
    Worker.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()


def leave() -> None:
    """This worker stops in good order, and nobody need look for it."""
    Worker.objects.filter(name=name()).delete()


def hands() -> int:
    """How many jobs all workers that are alive can work on at a time."""
    global _hands
    asked_at, found = _hands
    if not found or time.monotonic() - asked_at > _HANDS_SECONDS:
        alive = Worker.objects.filter(seen_at__gte=Now() - _late())
        found = alive.aggregate(hands=Sum("hands"))["hands"] or 1
        _hands = time.monotonic(), found
    return found


def all_known() -> QuerySet[Worker]:
    """The workers, in order of their names, each with `silent`: whether it has not been heard of for too long."""
    silent = Case(When(Q(seen_at__lt=Now() - _late()), then=Value(True)), default=False, output_field=BooleanField())
    return Worker.objects.annotate(silent=silent).order_by("name")


def _late() -> timedelta:
    """How long a worker may be silent before it counts as lost."""
    return timedelta(seconds=settings.SWEEP_SECONDS * SWEEPS_MISSED)
