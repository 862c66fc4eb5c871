"""Operations that answer with a file: how they are described, and how they answer who has it already."""

from collections.abc import Callable, Iterable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response

from reports.formats import FORMATS
from reports.models import Job

CSV = "text/csv"
Make = Callable[[], HttpResponseBase]


def described(
    *content_types: str, named: str = "Its name, made from that of the uploaded file.", sent_on: bool = False
) -> dict[str, Any]:
    """For the `openapi_extra` of an operation whose answer is a file of one of these types; who asks may be `sent_on`
    to where it is."""
    answers: dict[int, Any] = {
        200: {
            "description": "The file",
            "headers": {"Content-Disposition": _header(named)},
            # OpenAPI names media types without their parameters.
            "content": {name.partition(";")[0]: {"schema": _schema(name)} for name in content_types},
        }
    }
    if sent_on:
        where = "Where the file is, for some minutes. Ask there without your token."
        answers[302] = {
            "description": "The file is in a store that you reach yourself. Follow; most programs do by themselves.",
            "headers": {"Location": _header(where)},
        }
    return {"responses": answers}


def described_conditional(*content_types: str, sent_on: bool = False) -> dict[str, Any]:
    """The same for one that uses `unless_known`."""
    extra = described(*content_types, sent_on=sent_on)
    etag = _header("Send it as If-None-Match to get the file only if it is another.")
    extra["responses"][200]["headers"]["ETag"] = etag
    extra["responses"][304] = {"description": "The file is the one that you have.", "headers": {"ETag": etag}}
    return extra


def unless_known(request: HttpRequest, job: Job, parts: Iterable[object], make: Make) -> HttpResponseBase:
    """What `make` makes of `job`, unless the caller has what it made before: 304. It is not made then.

    What is made depends on the job's version and on `parts`. The tag is a weak one: a workbook made twice tells two
    times of its making. A redirect has no tag: it leads to a URL that works for a moment, and a client that is told
    that nothing has changed would follow the old one.
    """
    etag = 'W/"' + "-".join(str(part) for part in (job.pk.hex, job.version, *parts)) + '"'
    known = get_conditional_response(request, etag=etag)
    response = make() if known is None else known
    if 300 <= response.status_code < 400 and response.status_code != 304:
        return response
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _schema(content_type: str) -> dict[str, str]:
    if content_type == FORMATS["json"].content_type:
        return {"$ref": "#/components/schemas/Result"}
    return {"type": "string"} if content_type.startswith(CSV) else {"type": "string", "format": "binary"}
