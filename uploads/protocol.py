"""tus 1.0 as headers: what we announce, what we demand, and how each is read (https://tus.io/protocols/resumable-upload)."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from accounts.errors import Refusal
from salesagg.core import trusted_request
from uploads import checksum
from uploads.models import Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration"
CHUNK_TYPE = "application/offset+octet-stream"
# The largest number a header may name: what the database's columns hold.
_MAX_INTEGER = 2**63 - 1


def announce(response: HttpResponse) -> HttpResponse:
    """Say what this server can do, for OPTIONS. `Upload-Limit`, from the coming standard, tells the largest chunk."""
    response["Tus-Version"] = VERSION
    response["Tus-Extension"] = EXTENSIONS
    response["Tus-Checksum-Algorithm"] = ",".join(checksum.ALGORITHMS)
    response["Tus-Max-Size"] = str(settings.MAX_UPLOAD_BYTES)
    response["Upload-Limit"] = f"max-size={settings.MAX_UPLOAD_BYTES}, max-append-size={settings.MAX_BODY_BYTES}"
    return response


def method(request: HttpRequest) -> str:
    """The method that is meant. Clients behind old proxies send PATCH and DELETE as POST with an override."""
    return trusted_request.overridden_method(request)


def check_version(request: HttpRequest) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise Refusal(
            "unsupported_version",
            f"Send the header “Tus-Resumable: {VERSION}”; this server speaks no other version.",
            status=412,
            headers={"Tus-Version": VERSION},
        )


def check_extensions(request: HttpRequest) -> None:
    """Refuse what we did not announce: a client that sends a file in parallel pieces would get a job for each."""
    if "Upload-Concat" in request.headers:
        raise Refusal("unsupported_extension", "Send the file as one upload; concatenation is not offered.", status=400)


def check_content_type(request: HttpRequest) -> None:
    if request.content_type != CHUNK_TYPE:
        raise Refusal("bad_content_type", f"A chunk must be sent as “Content-Type: {CHUNK_TYPE}”.", status=415)


def body_size(request: HttpRequest) -> int:
    """`Content-Length`. A chunk without one is not accepted: its size must be checked before it is stored."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise Refusal("length_required", "Send the chunk with a Content-Length.", status=411)
    size = integer(request, "Content-Length", default=0)
    if size > settings.MAX_BODY_BYTES:
        raise Refusal("body_too_large", f"Send chunks of at most {settings.MAX_BODY_BYTES} bytes.", status=413)
    return size


def upload_length(request: HttpRequest) -> int | None:
    """The length a creation announces; None when it is deferred."""
    deferred = request.headers.get("Upload-Defer-Length")
    if deferred is not None:
        if deferred != "1" or "Upload-Length" in request.headers:
            raise Refusal("bad_length", "Send either Upload-Length or “Upload-Defer-Length: 1”.", status=400)
        return None
    return integer(request, "Upload-Length")


def upload_checksum(request: HttpRequest) -> checksum.Expected | None:
    header = request.headers.get("Upload-Checksum")
    return None if header is None else checksum.parse(header)


def integer(request: HttpRequest, name: str, *, default: int | None = None) -> int:
    """The header `name` as a whole number; raises `Refusal` (400) when it is missing or is none."""
    text = request.headers.get(name) or ""
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or int(text) > _MAX_INTEGER:
        raise Refusal(f"bad_{name.lower().replace('-', '_')}", f"{name} must be a whole number of bytes.", status=400)
    return int(text)


def describe(response: HttpResponse, upload: Upload) -> HttpResponse:
    """Tell where the upload stands, in the headers of an answer."""
    response["Upload-Offset"] = str(upload.offset)
    if upload.state == Upload.State.RECEIVING:
        response["Upload-Expires"] = http_date(upload.expires_at.timestamp())
    response["Cache-Control"] = "no-store"
    return response
