"""What jobs end in, as files: for who is logged in, and for who has a signed address."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Router

from accounts.api.schemas import problems
from reports import downloads, signed
from reports.api.schemas import ERRORS_FILE

router = Router(tags=["Results"], by_alias=True)


@router.get(
    "/downloads/{token}/{file}",
    auth=None,
    url_name="download",
    response={200: None, **problems(404, 409, 410)},
    operation_id="download",
    summary="Download by a signed address",
)
def download(request: HttpRequest, token: str, file: str) -> HttpResponseBase:
    """As `downloadUrls` of a job has them. Works without logging in, until the address expires."""
    job = signed.open_token(token, file)
    return downloads.rejected(job) if file == ERRORS_FILE else downloads.result(job, file.partition(".")[2])
