"""The tus endpoint: `/uploads/` creates, `/uploads/<uuid>/` is one upload."""

import uuid
from typing import IO, Any, cast

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.views import View

from accounts import ratelimit
from accounts.access import require_user
from accounts.errors import Refusal
from accounts.middleware import refusal_response
from accounts.ownership import load_owned
from uploads import lifecycle, parts, protocol
from uploads.models import Upload
from uploads.storage import StorageFull, is_full


class TusView(View):
    """What every answer has in common: the version header, and the guards in their order."""

    http_method_names = ["options", "head", "post", "patch", "delete"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase
        try:
            response = self._guarded(request, *args, **kwargs)
        except Refusal as refusal:
            response = refusal_response(request, refusal)
        except (DatabaseError, OSError) as error:
            if not is_full(error):
                raise
            response = refusal_response(request, StorageFull())
        response["Tus-Resumable"] = protocol.VERSION
        return response

    def _guarded(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        name = protocol.method(request).lower()
        handler = getattr(self, name, None) if name in self.http_method_names else None
        if handler is None:
            return HttpResponseNotAllowed([m.upper() for m in self.http_method_names if hasattr(self, m)])
        ratelimit.count_chunk_address(request)
        if name != "options":
            ratelimit.count_chunk(require_user(request))
            protocol.check_version(request)
        return cast(HttpResponseBase, handler(request, *args, **kwargs))

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return protocol.announce(HttpResponse(status=204))


class Uploads(TusView):
    def post(self, request: HttpRequest) -> HttpResponse:
        """Create an upload, with its first chunk when the request has a body."""
        protocol.check_extensions(request)
        length = protocol.upload_length(request)
        size = protocol.body_size(request)
        if size:
            protocol.check_content_type(request)
        checksum = protocol.upload_checksum(request)
        if length is not None and size > length:
            raise Refusal("too_large", "The body is larger than the Upload-Length.", status=413)
        user = require_user(request)
        ratelimit.count_upload(request, user)
        upload = lifecycle.create(user, length=length, metadata=request.headers.get("Upload-Metadata", ""))
        response = HttpResponse(status=201, headers={"Location": request.path + f"{upload.id}/"})
        if size:
            # The upload exists now. A chunk that fails is not the creation's failure: the answer tells the true
            # offset, and the client goes on from there.
            try:
                upload = parts.append(upload, offset=0, size=size, body=_body(request), checksum=checksum)
            except Refusal:
                upload.refresh_from_db()
        else:
            upload = parts.finish_if_whole(upload)
        return protocol.describe(response, upload)


class OneUpload(TusView):
    def head(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        upload = _load(request, pk)
        if upload.state in (Upload.State.EXPIRED, Upload.State.CANCELLED):
            raise lifecycle.gone(upload)
        response = HttpResponse()
        if upload.length is None:
            response["Upload-Defer-Length"] = "1"
        else:
            response["Upload-Length"] = str(upload.length)
        if upload.metadata:
            response["Upload-Metadata"] = upload.metadata
        return protocol.describe(response, upload)

    def patch(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Append a chunk at the upload's offset."""
        protocol.check_content_type(request)
        upload = _load(request, pk)
        offset = protocol.integer(request, "Upload-Offset")
        size = protocol.body_size(request)
        checksum = protocol.upload_checksum(request)
        parts.check_offset(upload, offset)
        if "Upload-Length" in request.headers:
            upload = lifecycle.tell_length(upload, protocol.integer(request, "Upload-Length"))
        upload = parts.append(upload, offset=offset, size=size, body=_body(request), checksum=checksum)
        return protocol.describe(HttpResponse(status=204), upload)

    def delete(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        lifecycle.cancel(_load(request, pk))
        return HttpResponse(status=204)


def _load(request: HttpRequest, pk: uuid.UUID) -> Upload:
    return load_owned(Upload.objects.select_related("owner"), owner=require_user(request), pk=pk)


def _body(request: HttpRequest) -> IO[bytes]:
    """The request as a readable body; `request.body` would refuse a chunk of more than a few megabytes."""
    return cast(IO[bytes], request)
