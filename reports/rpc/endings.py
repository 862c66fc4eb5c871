"""How jobs end, as far as it keeps a call from its result."""

from django.utils.translation import gettext as _

from accounts import credentials
from accounts.errors import Refusal
from reports import words
from reports.models import Job
from reports.rpc.errors import Invalid

# Of the codes with which jobs fail those that the file is not to blame for.
_OURS = ("upload_damaged", "worker_lost")


def check_completed(job: Job) -> None:
    """Raise `Refusal` (400, 409, 500) unless `job`, which has ended, came to its result."""
    if job.status == Job.Status.CANCELLED:
        raise cancelled()
    if job.status == Job.Status.FAILED:
        message = words.error(job.error_code, job.error)
        if job.error_code in _OURS:
            raise Refusal(job.error_code, message, status=500)
        raise Invalid(job.error_code, message, "data")


def check_goes_on(job: Job) -> None:
    """Raise `Refusal` (400, 401, 404, 409, 500) when there is no use in sending more of the job's file."""
    now = Job.objects.select_related("owner").filter(pk=job.pk).first()
    if now is None:
        raise removed()
    if not now.owner.is_active:
        raise locked_out()
    if now.cancel_requested:
        raise cancelled()
    check_completed(now)


def cancelled() -> Refusal:
    return Refusal("job_cancelled", _("The job was cancelled before it had a result."), status=409)


def removed() -> Refusal:
    return Refusal("not_found", _("The job has been deleted."), status=404)


def locked_out() -> Refusal:
    return credentials.unauthorized(_("Your token is not valid any more, or your account is closed."))


def stopping() -> Refusal:
    message = _("The server is being restarted; the job goes on. Ask again, here or elsewhere.")
    return Refusal("stopping", message, status=503)


def storage_full() -> Refusal:
    message = _("The server's storage is full. Nothing of the file is kept; try again later.")
    return Refusal("storage_full", message, status=507)
