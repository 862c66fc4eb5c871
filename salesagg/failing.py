"""The page that tells of an error of ours."""

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template import loader

from accounts import logcontext


def server_error(request: HttpRequest) -> HttpResponse:
    """With the request's id, by which it is found in the logs. Made without the request: who knows what works of it."""
    page = loader.get_template("500.html").render({"request_id": logcontext.request_id()})
    return HttpResponseServerError(page)
