"""The holder's side: lay out splits ahead, and take what came of the one that it has arrived at."""

from django.db.models import BooleanField, Case, Q, QuerySet, Value, When
from django.db.models.functions import Now

from reports import hints, stopping, workers
from reports.engine.cuts import LOOK_BYTES
from reports.limits import limits
from reports.models import Job, Split
from reports.pipelines import FoldedWindow, pipeline_for
from reports.splits.encoding import decode
from reports.splits.helping import help_one
from uploads.reader import PartLost, read

# So many for each hand that may help, that none need wait for the next; and so many at most, as each holds a window's
# totals in the database.
SPLITS_A_HAND = 2
MAX_SPLITS = 32
# Of a file of which a larger share is rejected, and listed, most of the work is the list, which the holder has to go
# through again.
MOST_REJECTED = 0.2
# How long to wait before the database is asked again whether another worker has finished the split that is needed next.
# The pause grows by half each time, so that a short wait ends soon and a long one costs a few queries a second.
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5


class Ahead:
    """What others fold of a job's file ahead of its holder. `job` is the holder's, and moves on with every window."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pipeline = pipeline_for(job.kind)
        self._window_bytes = self._pipeline.window_bytes

    def lay_out(self) -> int | None:
        """See to it that there are splits where they help. Returns where the next one ahead begins, if any does.

        Raises `uploads.reader.PartLost` if the bytes are not there.
        """
        if self._job.context is None:
            return None
        mine = self._mine()
        mine.filter(start__lt=self._job.position).delete()
        stretches = list(mine.values_list("start", "end"))
        if self._job.upload.offset - self._job.position > 2 * self._window_bytes:
            made = self._more(stretches)
            Split.objects.bulk_create(made, ignore_conflicts=True)
            for _split in made:
                hints.send()
            stretches += [(split.start, split.end) for split in made]
        return next((start for start, _end in stretches if start > self._job.position), None)

    def take(self) -> FoldedWindow | None:
        """What came of the split that begins at the job's position; None if it is the holder's to fold.

        While another worker is at it, the holder folds other splits, or waits: for as long as a lease at most.
        """
        if self._job.context is None:
            return None
        over = Case(When(Q(lease_until__lt=Now()), then=Value(True)), default=False, output_field=BooleanField())
        here = self._mine().filter(start=self._job.position).annotate(over=over)
        pause = _FIRST_PAUSE_SECONDS
        while (split := here.first()) is not None:
            if split.folded is not None:
                split.delete()
                return self._pipeline.join(decode(bytes(split.folded)), self._job)
            if split.token is None or split.given_up or split.over:
                # Whoever has just taken it, or handed it in, was faster than this.
                self._mine().filter(pk=split.pk, token=split.token, folded=None).delete()
            elif stopping.requested():
                return None
            elif not help_one(job_id=self._job.pk):
                stopping.wait(pause)
                pause = min(1.5 * pause, _LONGEST_PAUSE_SECONDS)
        return None

    def _mine(self) -> QuerySet[Split]:
        return Split.objects.filter(job=self._job.pk)

    def _more(self, stretches: list[tuple[int, int]]) -> list[Split]:
        """Splits behind those there are, as many as there are hands for and bytes."""
        wanted = min(SPLITS_A_HAND * (workers.hands() - 1), MAX_SPLITS) - len(stretches)
        listing = self._job.bad_rows < limits().rejected_rows
        if wanted <= 0 or (listing and self._job.bad_rows > MOST_REJECTED * self._job.rows):
            return []
        # The first begins where the window will end that the holder folds meanwhile.
        start = stretches[-1][1] if stretches else self._cut(self._job.position)
        made: list[Split] = []
        while start is not None and len(made) < wanted and (end := self._cut(start)) is not None:
            made.append(Split(job_id=self._job.pk, start=start, end=end))
            start = end
        return made

    def _cut(self, start: int) -> int | None:
        """Where to cut about a window behind `start`, if that many bytes have come and it can be told."""
        place = start + self._window_bytes
        if place + LOOK_BYTES > self._job.upload.offset:
            return None
        try:
            found = self._pipeline.cut(read(self._job.upload, place, LOOK_BYTES), self._job.context or {})
        except PartLost:
            # Found again, and told, when it is that window's turn.
            return None
        return None if found is None else place + found
