"""What jobs end in, as files, for who has a signed address."""

from typing import Annotated

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query, Router
from pydantic import WithJsonSchema

from accounts.api.refusals import refusals
from accounts.api.schemas import problems
from reports import downloads, signed
from reports.api.attachments import described
from reports.api.refusals import EXPORT_FAILED, NO_RESULT
from reports.formats import FORMATS
from reports.signed import ERRORS_FILE
from reports.unlisted import unlisted

router = Router(tags=["Results"], by_alias=True)
FILES = [*(f"result.{kind}" for kind in FORMATS), ERRORS_FILE]
SAFE = "For CSV: make cells harmless that a spreadsheet might run as formulas."


@router.get(
    "/downloads/{token}/{file}",
    auth=None,
    url_name="download",
    response={200: None, 302: None, **problems(404, 409, 410, 503)},
    openapi_extra=refusals(
        {
            404: "`not_found`: we never made this address, or its job is gone.",
            409: NO_RESULT,
            410: "`link_ended`: it has expired; the job tells a new one.",
            503: EXPORT_FAILED,
        },
        described(*(form.content_type for form in FORMATS.values()), sent_on=True),
    ),
    operation_id="download",
    summary="Download by a signed address",
)
@unlisted
def download(
    request: HttpRequest,
    token: str,
    file: Annotated[str, WithJsonSchema({"type": "string", "enum": FILES})],
    safe: Annotated[bool, Query(description=SAFE)] = False,
) -> HttpResponseBase:
    """As `downloadUrls` of a job has them. Works without logging in, until the address expires."""
    job = signed.open_token(token, file)
    if file == ERRORS_FILE:
        return downloads.rejected(job, safe=safe)
    return downloads.result(job, file.partition(".")[2], safe=safe, request=request)
