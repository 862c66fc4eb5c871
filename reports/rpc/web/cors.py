"""Pages of which other sites may call, as browsers ask it (CORS), by `settings.GRPC_WEB_ORIGINS`.

Never with credentials: a call is made in the name of its token, not of a cookie.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from reports.rpc.service import JOB_ID

ANY = "*"
# What scripts of the page may read of an answer; browsers hide all else.
EXPOSED = ("grpc-status", "grpc-message", "grpc-status-details-bin", JOB_ID)
# What clients send; asked for by name or not. Besides, any metadata that the preflight asks for.
HEADERS = ("authorization", "content-type", "grpc-timeout", "x-grpc-web", "x-user-agent")
# A preflight's answer is kept by browsers for so long; Chromium takes no more than this.
MAX_AGE = 7200


def preflight(request: HttpRequest) -> HttpResponse:
    """The answer to a browser that asks before it sends a page's call."""
    response = HttpResponse(status=204)
    add(request, response)
    if "Access-Control-Allow-Origin" not in response.headers:
        text = _("Pages of this origin may not call here; the operator can allow it by GRPC_WEB_ORIGINS.")
        response = HttpResponse(f"{text}\n", status=403, content_type="text/plain; charset=utf-8")
        response["Vary"] = "Origin"
        return response
    asked = request.headers.get("Access-Control-Request-Headers", "").lower().replace(" ", "").split(",")
    response["Access-Control-Allow-Methods"] = "POST"
    response["Access-Control-Allow-Headers"] = ", ".join(sorted({*HEADERS, *filter(None, asked)}))
    response["Access-Control-Max-Age"] = str(MAX_AGE)
    response["Vary"] = "Origin, Access-Control-Request-Headers"
    return response


def add(request: HttpRequest, response: HttpResponse) -> None:
    """Say in `response` that the page that calls may read it, if it may."""
    response["Vary"] = "Origin"
    origin = request.headers.get("Origin", "")
    if ANY in settings.GRPC_WEB_ORIGINS:
        response["Access-Control-Allow-Origin"] = ANY
    elif origin and origin.lower() in (allowed.lower().rstrip("/") for allowed in settings.GRPC_WEB_ORIGINS):
        response["Access-Control-Allow-Origin"] = origin
    else:
        return
    response["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)
