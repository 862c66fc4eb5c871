"""Links under which anybody may read a report.

A link's address is the share's id with our signature, so that no address can be guessed or made up; whether it still
holds is for the database to say, so that it can be revoked.
"""

import hashlib
import uuid
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, ratelimit
from accounts.acts import Act
from accounts.errors import Refusal, not_found
from reports.models import Job, Share
from reports.pipelines import pipeline_for
from salesagg.core.trusted_request import site_url

# How long a link may hold, in days.
DAYS = (1, 7, 30, 90)
# More valid links to one report than anybody keeps track of.
MAX_VALID = 20
# `opened_at` is for people. To write it at every request would be one write to the database for each look.
OPENED_PRECISION = timedelta(minutes=1)
# What one reader looks at within so long is one reading.
READING_SECONDS = 3600
_signer = Signer(salt="reports.share")


def create(job: Job, *, days: int) -> Share:
    """A new link to a completed job's report. Raises `Refusal` (400, 409)."""
    if days not in DAYS:
        raise Refusal("bad_days", _("Choose how long the link shall hold: 1, 7, 30 or 90 days."), status=400)
    if not pipeline_for(job.kind).has_result:
        raise Refusal("not_shareable", _("An import has no totals that could be shared."), status=409)
    if job.status != Job.Status.COMPLETED:
        raise Refusal("no_result", _("The job has no result yet. Wait until it is done."), status=409)
    with transaction.atomic():
        # Two that are made at once must not both be the last: the second waits here.
        if not Job.objects.select_for_update(no_key=True).filter(pk=job.pk).exists():
            raise not_found("job")
        if valid(job).count() >= MAX_VALID:
            message = _("There are too many links to this report. Revoke one first.")
            raise Refusal("too_many_shares", message, status=409)
        share = Share.objects.create(job=job, expires_at=timezone.now() + timedelta(days=days))
        _record(Act.SHARE_MADE, share)
    return share


def valid(job: Job) -> QuerySet[Share]:
    """The links to the job's report that hold now."""
    return Share.objects.filter(job=job, revoked_at=None, expires_at__gt=timezone.now())


def token(share: Share) -> str:
    """What stands in the link's address."""
    return _signer.sign(share.pk.hex)


def url(share: Share) -> str:
    """The link, as it is given to other people."""
    return site_url(reverse("shared", args=[token(share)]))


def open_for_view(signed: str, request: HttpRequest) -> Job:
    """The job whose report a link shows, for a page. Raises `Refusal` (404, 410, 429)."""
    limits = settings.SHARE_VIEWS_PER_MINUTE, settings.SHARE_VIEWS_PER_MINUTE_PER_ADDRESS
    return _open(signed, request, "view", *limits)


def open_for_download(signed: str, request: HttpRequest) -> Job:
    """The job whose report a link shows, for a download. Raises `Refusal` (404, 410, 429)."""
    limits = settings.SHARE_DOWNLOADS_PER_MINUTE, settings.SHARE_DOWNLOADS_PER_MINUTE_PER_ADDRESS
    return _open(signed, request, "download", *limits)


def _open(signed: str, request: HttpRequest, what: str, per_link: int, per_address: int) -> Job:
    """Count the request for its address and for the link, then load the job."""
    # Behind a server on a Unix socket nobody has an address, and all of them are not one caller.
    if address := ratelimit.address_of(request):
        ratelimit.count(f"share-{what}-address:{address}", limit=per_address)
    pk = _opened(signed)
    ratelimit.count(f"share-{what}:{pk}", limit=per_link)
    return _load(pk)


def _opened(signed: str) -> uuid.UUID:
    """The id in a link's URL. Raises `Refusal` (404) for a URL that we never made."""
    try:
        return uuid.UUID(_signer.unsign(signed))
    except (BadSignature, ValueError):
        raise _unknown() from None


def _load(pk: uuid.UUID) -> Job:
    """The job behind a link that is open. Raises `Refusal`: 410 when the link has ended; 404 when its report is gone or
    its owner's account is locked or deleted, as if there had never been a link."""
    share = Share.objects.select_related("job__upload").filter(pk=pk, job__owner__is_active=True).first()
    if share is None:
        raise _unknown()
    now = timezone.now()
    if share.revoked_at or share.expires_at <= now:
        raise Refusal(
            "link_ended", _("This link has expired or was revoked. Ask whoever sent it for a new one."), status=410
        )
    if share.opened_at is None or now - share.opened_at > OPENED_PRECISION:
        Share.objects.filter(pk=pk).update(opened_at=now)
    return share.job


def _unknown() -> Refusal:
    return Refusal("not_found", _("There is no such report. Check that the link is complete."), status=404)


def revoke(share: Share) -> None:
    """Let the link open nothing from now on."""
    with transaction.atomic():
        if Share.objects.filter(pk=share.pk, revoked_at=None).update(revoked_at=timezone.now()):
            _record(Act.SHARE_REVOKED, share)


def note_reading(signed: str, job: Job) -> None:
    """Note for the owner that somebody else has opened the report; one who reloads it has not opened it again."""
    reader = audit.origin()
    if reader.user == job.owner:
        return
    who = hashlib.sha256(f"{signed} {reader.address}".encode()).hexdigest()
    if cache.add(f"share-opened:{who}", 1, timeout=READING_SECONDS):
        audit.record(Act.SHARE_OPENED, job, account=job.owner_id, label=job.upload.filename)


def _record(act: Act, share: Share) -> None:
    audit.record(act, share, account=share.job.owner_id, label=share.job.upload.filename)
