"""What is answered where nothing else is left to say: our own errors, a database that is unavailable, a full disk."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.utils.translation import gettext as _

from accounts import logcontext
from accounts.middleware import problem_response
from accounts.outage import is_database_away
from salesagg.core import trusted_request
from uploads.storage import StorageFull, is_full

# A restart of PostgreSQL is over by then, mostly.
RETRY_SECONDS = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """A page for people, a problem for programs, with the request's id, by which it is found in the logs.

    503 where the database does not answer, or gave up: the same request may succeed in a moment. 507 where a disk is
    full, whatever was to be written. Made without what middleware adds to the request: who knows what works of it.
    """
    error = sys.exc_info()[1]
    away, full = is_database_away(error), error is not None and is_full(error)
    status = 507 if full else 503 if away else 500
    if trusted_request.prefers_page(request):
        page = loader.get_template(f"{status}.html").render({"request_id": logcontext.request_id()})
        response = HttpResponse(page, status=status)
    elif full:
        response = problem_response(status, "storage_full", StorageFull().message)
    elif away:
        detail = _("The database does not answer. What was received is kept; try again in a moment.")
        response = problem_response(status, "database_away", detail)
    else:
        detail = _("An error of ours. Try again; if it stays, ask the operator.")
        response = problem_response(status, "server_error", detail)
    if away:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response
