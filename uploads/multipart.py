"""A file in a ``multipart/form-data`` body, stored part by part while the body is parsed; as browsers and curl send it.

For files that fit into one request. At most a part is held in memory, and no file but the parts is written. The upload
is completed by whoever asked for it, in the transaction that makes something of it: what fails before leaves nothing
behind. Failure story: the process dies with half of the parts stored; the upload stays ``receiving`` and expires.
"""

import hashlib
import io
import json
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.translation import gettext as _

from accounts.errors import Refusal
from accounts.models import User
from accounts.ownership import hold_owner
from uploads import lifecycle, metadata, parts
from uploads.models import Upload

logger = logging.getLogger(__name__)
PART_BYTES = 8 * 1024 * 1024
CONTENT_TYPE = "multipart/form-data"
FILE_FIELD = "file"


@dataclass(frozen=True)
class Form:
    """A body that has been read: its file, all stored but not complete yet, and its other fields."""

    upload: Upload
    fields: dict[str, str]
    # Of the file and all fields; the same for the same form, whatever its boundary.
    content: str

    def complete(self) -> Upload:
        """The upload, complete. To be called in the transaction that makes something of it. Raises `Refusal` (413)."""
        hold_owner(self.upload.owner_id)
        return parts.finish_if_whole(lifecycle.tell_length(self.upload, self.upload.offset))


@contextmanager
def receiving(request: HttpRequest, owner: User, *, fields: Collection[str] = ()) -> Iterator[Form]:
    """Store the field `file` of the request's body for `owner`; besides it there may be `fields`, each once.

    Whatever is raised, here or in the block, nothing stays. Raises `Refusal` (400, 413, 415, 422, 507).
    """
    _check_head(request)
    store = _Store(owner)
    try:
        sent = _parse(request, store)
        upload = store.end()
        yield Form(upload, _single(sent, allowed=fields), store.content.digest(sent))
    except BaseException:
        store.discard()
        raise


def content_of(request: HttpRequest) -> str:
    """What `Form.content` would be; the form is read, and nothing of it stored. Raises `Refusal` (400, 413, 415)."""
    _check_head(request)
    reader = _Reader()
    return reader.content.digest(_parse(request, reader))


def _check_head(request: HttpRequest) -> None:
    if request.content_type != CONTENT_TYPE:
        raise Refusal("not_multipart", _("Send the file as multipart/form-data, in a field “file”."), status=415)
    # Daphne refuses it before; other servers may not.
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > settings.MAX_BODY_BYTES:
        message = _("A request may have at most %(count)s bytes. Send larger files in chunks to /uploads/.")
        raise Refusal("body_too_large", message % {"count": settings.MAX_BODY_BYTES}, status=413)


def _parse(request: HttpRequest, handler: FileUploadHandler) -> QueryDict:
    body = _Body(request)
    # A chunked body has no length, which Django would take for none.
    head = {"CONTENT_TYPE": request.META["CONTENT_TYPE"], "CONTENT_LENGTH": "1"}
    try:
        sent, _files = _Parser(head, cast(Any, body), [handler], "utf-8").parse()
    except MultiPartParserError:
        raise _bad() from None
    except TooManyFieldsSent:
        raise Refusal("too_many_fields", _("The form has too many fields."), status=400) from None
    except RequestDataTooBig:
        message = _("The form's fields are too large. Only “file”, sent with a file name, may be large.")
        raise Refusal("fields_too_large", message, status=413) from None
    except SuspiciousOperation:
        raise _bad() from None
    if not body.ended:
        raise _bad()
    return sent


def _single(sent: QueryDict, *, allowed: Collection[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, values in sent.lists():
        if name not in allowed:
            raise _unknown(name)
        if len(values) > 1:
            raise Refusal("repeated_field", _("The field “%(name)s” is there twice.") % {"name": name}, status=422)
        fields[name] = str(values[0])
    return fields


def _bad() -> Refusal:
    message = _("The body is not well-formed multipart/form-data, or ends before its end. Send it again.")
    return Refusal("bad_multipart", message, status=400)


def _unknown(name: str) -> Refusal:
    told = _("There is no field “%(name)s” here. See /api/docs.") % {"name": name[:100]}
    return Refusal("unknown_field", told, status=422)


class _Parser(MultiPartParser):
    def sanitize_file_name(self, file_name: str) -> str:
        """As the names of all uploads, whichever way they come."""
        return metadata.filename_in({"filename": file_name})


class _Body:
    """The request, watched for the mark that ends a multipart body: Django takes one that was cut off for whole."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        boundary = (request.content_params or {}).get("boundary", "")
        self._mark = b"--%b--" % boundary.encode("ascii", "replace")
        self._tail = b""
        self.ended = False

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._request.read(size)
        self._tail += data
        self.ended = self.ended or self._mark in self._tail
        self._tail = self._tail[-len(self._mark) :]
        return data


class _Content:
    """The digest of a form's files and fields, as they are read."""

    def __init__(self) -> None:
        self._files: list[tuple[str, str, Any]] = []

    def begin_file(self, field_name: str, file_name: str) -> None:
        self._files.append((field_name, file_name, hashlib.sha256()))

    def update(self, data: bytes) -> None:
        self._files[-1][2].update(data)

    def digest(self, sent: QueryDict) -> str:
        files = [(field_name, file_name, digest.hexdigest()) for field_name, file_name, digest in self._files]
        return hashlib.sha256(json.dumps([files, sorted(sent.lists())]).encode()).hexdigest()


class _Reader(FileUploadHandler):
    """Reads files, and stores nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.content = _Content()

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        self.content.begin_file(field_name, file_name)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.content.update(raw_data)

    def file_complete(self, file_size: int) -> None:
        """Nothing: there is no file for Django to keep."""


class _Store(FileUploadHandler):
    """Where Django's parser puts the file: into the parts of an upload."""

    chunk_size = 256 * 1024

    def __init__(self, owner: User) -> None:
        super().__init__()
        self._owner = owner
        self.content = _Content()
        self._upload: Upload | None = None
        self._buffer = io.BytesIO()

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        if field_name != FILE_FIELD:
            raise _unknown(field_name)
        if self._upload is not None:
            raise Refusal("one_file_only", _("Send one file in a request."), status=400)
        self.content.begin_file(field_name, file_name)
        told = metadata.write({"filename": file_name})
        self._upload = lifecycle.create(self._owner, length=None, metadata=told, keep=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.content.update(raw_data)
        self._buffer.write(raw_data)
        if self._buffer.tell() >= PART_BYTES:
            self._flush()

    def file_complete(self, file_size: int) -> None:
        """Nothing: there is no file for Django to keep."""

    def end(self) -> Upload:
        """The upload with all of its bytes."""
        if self._upload is None:
            message = _("Send the file in a field “file” that has a file name.")
            raise Refusal("file_missing", message, status=400)
        self._flush()
        return self._upload

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._upload is None:
            return
        try:
            lifecycle.delete(self._upload)
        except Refusal:
            # Its owner has deleted it meanwhile; or made a job of it, and so it is theirs to keep.
            logger.info("upload %s is not discarded", self._upload.pk)
        except Exception:
            # What was raised before is to be told; what is left of this is found by `uploads.cleanup`.
            logger.exception("upload %s not discarded", self._upload.pk)

    def _flush(self) -> None:
        assert self._upload is not None
        size = self._buffer.tell()
        if not size:
            return
        self._buffer.seek(0)
        try:
            self._upload = parts.append(self._upload, offset=self._upload.offset, size=size, body=self._buffer)
        except Refusal as refusal:
            if refusal.code != "storage_full":
                raise
            message = _("The server's storage is full. Nothing of the file was kept; try again later.")
            raise Refusal("storage_full", message, status=507) from refusal
        self._buffer = io.BytesIO()
