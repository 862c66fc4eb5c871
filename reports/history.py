"""A person's jobs, newest first: filtered by how they stand and by kind, searched by file name, a page at a time.

All of it reads the index of the owner's jobs in order, and stops when a page is full; only the number of pages of a
filtered list needs the owner's jobs to be looked at one by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from reports.models import OPEN, Job
from reports.pipelines import pipelines

PER_PAGE = 20
MAX_SEARCH_LENGTH = 255

# Not undone (see `Job.is_undone`).
_THERE = Q(undo_requested_at=None)
# What the address says -> what the person reads, and the jobs that it is.
STATES: dict[str, tuple[str | Promise, Q]] = {
    "running": (_("Running"), Q(status__in=OPEN)),
    "done": (_("Done"), Q(status=Job.Status.COMPLETED) & _THERE),
    "rejects": (_("With rejected rows"), Q(status=Job.Status.COMPLETED, bad_rows__gt=0) & _THERE),
    "failed": (_("Failed"), Q(status=Job.Status.FAILED) & _THERE),
    "cancelled": (_("Cancelled"), Q(status=Job.Status.CANCELLED) & _THERE),
    "undone": (_("Undone"), ~_THERE),
}


@dataclass(frozen=True)
class Filter:
    """Which jobs to show: `state` is one of `STATES` or nothing, `search` a part of the file's name, `kind` one of the
    kinds or nothing."""

    state: str = ""
    search: str = ""
    kind: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Filter":
        """From the address of a page; what makes no sense there filters nothing."""
        state, kind = query.get("state", ""), query.get("kind", "")
        # No name has a NUL, and PostgreSQL takes none.
        search = query.get("q", "").replace("\0", "").strip()[:MAX_SEARCH_LENGTH]
        return cls(state if state in STATES else "", search, kind if kind in pipelines() else "")

    def __bool__(self) -> bool:
        return bool(self.state or self.search or self.kind)

    @property
    def query(self) -> str:
        """As a part of an address."""
        fields = {"state": self.state, "kind": self.kind, "q": self.search}
        return urlencode({name: value for name, value in fields.items() if value})


def jobs_of(owner: User, chosen: Filter) -> QuerySet[Job]:
    jobs = Job.objects.filter(owner=owner).order_by("-created_at", "-pk")
    if chosen.state:
        jobs = jobs.filter(STATES[chosen.state][1])
    if chosen.kind:
        jobs = jobs.filter(kind=chosen.kind)
    if chosen.search:
        jobs = jobs.filter(upload__filename__icontains=chosen.search)
    return jobs


def page_of(owner: User, chosen: Filter, *, number: str | None = None) -> Page[Job]:
    """A page of the jobs; the first or the last where there is no such number."""
    keys = Paginator(jobs_of(owner, chosen).values_list("pk", flat=True), PER_PAGE).get_page(number)
    # Only then the jobs themselves: a page far back skips many, and skipped ones need no upload.
    jobs = Job.objects.select_related("upload").in_bulk(list(keys))
    shown = [jobs[key] for key in keys if key in jobs]
    return Page(shown, keys.number, cast("Paginator[Job]", keys.paginator))
