"""Addresses of downloads that work without logging in, for a while: to hand on to a browser, a mail, another program.

All that such an address allows is in it, signed: nothing is stored, and nothing can be revoked but by deleting the job
or closing the account. For links that can be revoked there are shares (`reports.shares`).
"""

import time
import uuid
from datetime import UTC, datetime

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.errors import Refusal
from reports.formats import FORMATS
from reports.models import Job
from reports.pipelines import pipeline_for

# The report of rejected rows, among a job's downloads.
ERRORS_FILE = "errors.csv"

# Expiry is rounded up to this, so that a job that has not changed is described by the same words for a while.
GRAIN_SECONDS = 600
_signer = Signer(salt="reports.signed")


def expiry() -> datetime:
    """When an address that is made now will have ended."""
    grains = (int(time.time()) + settings.DOWNLOAD_URL_SECONDS) // GRAIN_SECONDS + 1
    return datetime.fromtimestamp(grains * GRAIN_SECONDS, UTC)


def files(job: Job) -> dict[str, str]:
    """The downloads that `job` has by now, each by what it is."""
    has_result = job.status == Job.Status.COMPLETED and pipeline_for(job.kind).has_result
    results = {kind: f"result.{kind}" for kind in FORMATS} if has_result else {}
    return results | ({"errors": ERRORS_FILE} if job.context is not None else {})


def path(job: Job, file: str, *, until: datetime) -> str:
    """The path of the address that gives `file` of `job`."""
    return reverse("api:download", args=[token(job.pk, file, until=until), file])


def token(job_id: uuid.UUID, file: str, *, until: datetime) -> str:
    """What stands in the address of a job's download `file` (``result.csv``, ``errors.csv``)."""
    return _signer.sign_object([job_id.hex, file, int(until.timestamp())])


def open_token(signed: str, file: str) -> Job:
    """The job whose `file` may be read. Raises `Refusal`: 404 for an address we never made, 410 for one that ended."""
    try:
        job_id, allowed, until = _signer.unsign_object(signed)
    except (BadSignature, ValueError):
        raise _unknown() from None
    if allowed != file:
        raise _unknown()
    if until < time.time():
        raise Refusal("link_ended", _("This address has expired. Ask for a new one where you got it."), status=410)
    job = Job.objects.select_related("upload").filter(pk=uuid.UUID(job_id), owner__is_active=True).first()
    if job is None:
        raise _unknown()
    return job


def _unknown() -> Refusal:
    message = _("There is no such download. Check that the address is complete.")
    return Refusal("not_found", message, status=404)
