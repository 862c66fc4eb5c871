"""What every job tells in numbers: how many rows, and how fast."""

from dataclasses import dataclass

from django.utils import timezone

from reports.models import Job


@dataclass(frozen=True)
class Counts:
    """`seconds` went by from the first claim on."""

    rows: int
    bad_rows: int
    seconds: float

    @property
    def good_rows(self) -> int:
        return self.rows - self.bad_rows

    @property
    def rows_per_second(self) -> int:
        return round(self.rows / self.seconds) if self.seconds > 0 else 0


def seconds_of(job: Job) -> float:
    """From its first claim to its end, or to now while it runs; nothing before."""
    if job.started_at is None:
        return 0.0
    return ((job.finished_at or timezone.now()) - job.started_at).total_seconds()
