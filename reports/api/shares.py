"""Links under which anybody may read a report."""

import uuid
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Router
from pydantic import Field

from accounts.api.once import create
from accounts.api.paging import Asked, Page, page_of
from accounts.api.refusals import refusals
from accounts.api.schemas import IDEMPOTENT, In, Out, problems
from accounts.errors import not_found
from reports import models, shares
from reports.api.jobs import load_job

router = Router(tags=["Shares"], by_alias=True)


class NewShare(In):
    days: int = Field(
        default=7,
        strict=True,
        description="How long the link shall hold.",
        json_schema_extra={"enum": list(shares.DAYS)},
    )


class Share(Out):
    """A link to a report: whoever has it sees the totals and may download the result, but no row of the file."""

    id: uuid.UUID
    url: str
    created_at: datetime
    expires_at: datetime
    opened_at: datetime | None = Field(description="When it was last opened; null while nobody has.")
    revoked_at: datetime | None = Field(description="Since when it opens nothing; null unless it was revoked.")


@router.get(
    "/{uuid:job_id}/shares",
    response={200: Page[Share], **problems(404)},
    operation_id="listShares",
    summary="List a report's links",
)
def list_shares(request: HttpRequest, job_id: uuid.UUID, asked: Asked) -> Page[Share]:
    """Newest first; those that hold no more are among them."""
    found, cursor = page_of(load_job(request, job_id).shares.all(), asked)
    return Page(items=[_told(share, request) for share in found], next=cursor)


@router.post(
    "/{uuid:job_id}/shares",
    response={201: Share, **problems(404, 409)},
    openapi_extra=refusals(
        {
            201: "The link",
            400: "`bad_days`: links hold for other times.",
            409: "`not_shareable`: it is an import, which has no totals. `no_result`: the job is not completed. "
            "`too_many_shares`: revoke one first.",
        },
        IDEMPOTENT,
    ),
    operation_id="createShare",
    summary="Make a link to a report",
)
def create_share(request: HttpRequest, job_id: uuid.UUID, wanted: NewShare | None = None) -> HttpResponse:
    """Of a completed job. It may be revoked at any time."""
    job = load_job(request, job_id)
    days = (wanted or NewShare()).days
    return create(request, lambda: _told(shares.create(job, days=days), request))


@router.delete(
    "/{uuid:job_id}/shares/{uuid:share_id}",
    response={204: None, **problems(404)},
    operation_id="revokeShare",
    summary="Revoke a link",
)
def revoke_share(request: HttpRequest, job_id: uuid.UUID, share_id: uuid.UUID) -> HttpResponse:
    """It opens nothing from now on. It stays in the list."""
    share = load_job(request, job_id).shares.filter(pk=share_id).first()
    if share is None:
        raise not_found(_("link"))
    shares.revoke(share)
    return HttpResponse(status=204)


def _told(share: models.Share, request: HttpRequest) -> Share:
    return Share(
        id=share.pk,
        url=shares.url(share),
        created_at=share.created_at,
        expires_at=share.expires_at,
        opened_at=share.opened_at,
        revoked_at=share.revoked_at,
    )
