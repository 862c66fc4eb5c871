"""Signed URLs of downloads, which work without logging in, for a while: for a browser, a mail, another program.

All that such a URL allows is in it, signed. It names the API token or session that it was made with, and ends with
that, with the job and with the account: see `accounts.bindings`. For links that last there are shares
(`reports.shares`).
"""

import time
import uuid
from datetime import UTC, datetime

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import bindings
from accounts.errors import Refusal
from reports.formats import FORMATS
from reports.models import Job
from reports.pipelines import pipeline_for

# The report of rejected rows, among a job's downloads.
ERRORS_FILE = "errors.csv"

# Expiry is rounded up to this, so that a job that has not changed is described by the same words for a while.
GRAIN_SECONDS = 600
_signer = Signer(salt="reports.signed.bound")


def expiry() -> datetime:
    """When an address that is made now will have ended."""
    grains = (int(time.time()) + settings.DOWNLOAD_URL_SECONDS) // GRAIN_SECONDS + 1
    return datetime.fromtimestamp(grains * GRAIN_SECONDS, UTC)


def files(job: Job) -> dict[str, str]:
    """The downloads that `job` has by now, each by what it is."""
    has_result = job.status == Job.Status.COMPLETED and pipeline_for(job.kind).has_result
    results = {kind: f"result.{kind}" for kind in FORMATS} if has_result else {}
    return results | ({"errors": ERRORS_FILE} if job.context is not None else {})


def path(job: Job, file: str, *, until: datetime, bound_to: str) -> str:
    """The path of the URL that gives `file` of `job` as long as the credential is valid that it is bound to."""
    return reverse("api:download", args=[token(job.pk, file, until=until, bound_to=bound_to), file])


def token(job_id: uuid.UUID, file: str, *, until: datetime, bound_to: str) -> str:
    """What stands in the address of a job's download `file` (``result.csv``, ``errors.csv``)."""
    return _signer.sign_object([job_id.hex, file, int(until.timestamp()), bound_to])


def open_token(signed: str, file: str) -> Job:
    """The job whose `file` may be read. Raises `Refusal`: 404 for a URL we never made, or whose job or account is gone;
    410 for one that has expired, or whose API token or session has ended."""
    try:
        job_id, allowed, until, bound_to = _signer.unsign_object(signed)
    except (BadSignature, ValueError):
        raise _unknown() from None
    if allowed != file:
        raise _unknown()
    if until < time.time():
        raise _ended()
    job = Job.objects.select_related("upload", "owner").filter(pk=uuid.UUID(job_id), owner__is_active=True).first()
    if job is None:
        raise _unknown()
    if not bindings.holds(bound_to, job.owner):
        raise _ended()
    return job


def _ended() -> Refusal:
    return Refusal("link_ended", _("This address has expired. Ask for a new one where you got it."), status=410)


def _unknown() -> Refusal:
    message = _("There is no such download. Check that the address is complete.")
    return Refusal("not_found", message, status=404)
