"""What reports count against the quota of their owner."""

from django.db.models import F, Max, Sum
from django.db.models.functions import Coalesce

from accounts.models import User
from reports.models import Job


def beyond_files(owner: User) -> int:
    """How many bytes more than its uploads the reports of `owner` take.

    An upload counts as many bytes as it has, or as all jobs have made of it if that is more. Failure story: the result
    of a file of 74 KB had 129 MB, and the file was processed again and again, which the quota did not see.
    """
    made = Job.objects.filter(owner=owner, stored_bytes__gt=0).values("upload")
    made = made.annotate(made=Sum("stored_bytes"), sent=Max(Coalesce("upload__length", "upload__offset")))
    larger = made.filter(made__gt=F("sent")).values_list("made", "sent")
    return sum(stored - sent for stored, sent in larger)
