"""The totals of a job that is still running, from its checkpoints."""

from dataclasses import replace

from django.db.models import Sum
from django.db.models.functions import Length

from reports import checkpoints
from reports.models import Checkpoint, Job
from reports.pipelines import SoFar, pipeline_for
from salesagg.core.shown import cut

LARGEST = 20
# Reading more would keep a web process busy for seconds, again and again. The pipeline limits what states unpack to.
MAX_STATE_BYTES = 4 * 1024 * 1024


def totals_so_far(job: Job) -> SoFar | None:
    """What the committed windows add up to, names as they are shown; None when there are none yet, or too much to be
    added up on the way."""
    size = Checkpoint.objects.filter(job=job).aggregate(size=Sum(Length("state")))["size"]
    if not size or size > MAX_STATE_BYTES:
        return None
    states = checkpoints.states(job.pk)
    found = pipeline_for(job.kind).so_far(states, largest=LARGEST) if states else None
    return found and replace(found, largest=[line._replace(name=cut(line.name)) for line in found.largest])
