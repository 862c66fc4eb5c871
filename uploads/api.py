"""Stored files: sent, taken from the storage, listed, deleted. What is made of them is not this app's."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal, cast

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Query, Router
from pydantic import Field

from accounts.api.auth import user_of
from accounts.api.once import answer_of, answered
from accounts.api.paging import Page, Paging, page_of
from accounts.api.refusals import refusals
from accounts.api.schemas import IDEMPOTENT, In, Out, problems
from accounts.idempotency import Answer, once
from accounts.ownership import load_owned
from uploads import imports, lifecycle, multipart
from uploads.models import Upload

router = Router(tags=["Files"], by_alias=True)
State = Literal["receiving", "complete"]


class File(Out):
    """A stored file, or one on its way."""

    file_key: uuid.UUID
    file_name: str
    state: State = Field(description="`receiving`: its upload goes on, over tus at /uploads/{fileKey}/.")
    size: int | None = Field(description="Bytes; null while the client has not told it.")
    received_bytes: int = Field(description="How much of it has come.")
    keep: bool = Field(description="Stored for its own sake. Other files go with the last of their jobs.")
    created_at: datetime
    completed_at: datetime | None = Field(description="null until all of it has come.")
    expires_at: datetime | None = Field(
        description="When it is given up if nothing more comes; null once all of it has."
    )


class Filters(Paging):
    keep: bool | None = Field(default=None, description="Files that are stored for their own sake, or the others.")
    q: str = Field(default="", max_length=255, description="A part of the file's name.")


class Import(In):
    key: str = Field(
        min_length=1,
        max_length=imports.MAX_KEY_BYTES,
        description="The object's name in the bucket, below the prefix that is yours (see /api/limits).",
        examples=["imports/7/sales-2024.csv"],
    )
    file_name: str = Field(default="", max_length=255, description="What to call the file; else the end of the key.")


def form_of(**fields: dict[str, Any]) -> dict[str, Any]:
    """For `openapi_extra`: a form with a file and `fields`."""
    properties = {"file": {"type": "string", "format": "binary", "description": "The file, with its name."}, **fields}
    schema = {"type": "object", "properties": properties, "required": ["file"], "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {multipart.CONTENT_TYPE: {"schema": schema}}}}


FORM_REFUSALS = {
    400: "`file_missing`, `one_file_only`, `bad_multipart`, `too_many_fields`: the form is not as described.",
    413: "`body_too_large`, `fields_too_large`, `too_large`, `quota_exceeded`: too much, at once or in all.",
    415: "`not_multipart`: it is no form.",
    422: "`unknown_field`, `repeated_field`, `idempotency_key_reused`: what is sent is not as described.",
    507: "`storage_full`: try again later.",
}
_IMPORT_REFUSALS = {
    403: "`import_disabled`: nothing can be imported here. `insufficient_scope`: the token is for reading only.",
    404: "`no_such_object`: there is none, or it is not below your prefix.",
    413: "`too_large`, `quota_exceeded`: too much.",
}
_GONE = "`gone`: its bytes have been deleted, or its upload has expired."
_LOCATION = {"description": "The file's address.", "schema": {"type": "string"}}
_MAKES_FILE = IDEMPOTENT | {"responses": {201: {"description": "The file.", "headers": {"Location": _LOCATION}}}}


@router.post(
    "",
    response={201: File, **problems(400, 409, 415, 507)},
    operation_id="storeFile",
    summary="Store a file",
    openapi_extra=refusals(FORM_REFUSALS, _MAKES_FILE | form_of()),
)
def store_file(request: HttpRequest) -> HttpResponse:
    """For files that fit into one request, up to `maxBodyBytes` of /api/limits. Larger ones are sent in chunks to
    /uploads/, by the tus protocol; with `keep` in their metadata they are stored likewise. No job is made.
    After a refusal nothing of the file is stored."""
    user = user_of(request)
    with once(request, user, content_of=multipart.content_of) as served:
        if served.answered is not None:
            return answered(served.answered)
        with multipart.receiving(request, user) as form, transaction.atomic():
            return answered(served.keep(_told(form.complete()), content=form.content))


@router.post(
    "/import",
    response={201: File, **problems(403, 404, 409)},
    operation_id="importFile",
    summary="Import an object of the bucket",
    openapi_extra=refusals(_IMPORT_REFUSALS, _MAKES_FILE),
)
def import_file(request: HttpRequest, asked: Import) -> HttpResponse:
    """The object is read where it is: nothing is copied, and it is never deleted by us. It must stay as it is until its
    jobs have ended; a job that finds it changed fails. It counts towards your quota."""
    user = user_of(request)
    with once(request, user) as served:
        if served.answered is not None:
            return answered(served.answered)
        # Looked for before the transaction, which holds up other writers where the database is SQLite.
        found = imports.find(user, asked.key)
        with transaction.atomic():
            upload = imports.take(user, asked.key, found, filename=asked.file_name)
            return answered(served.keep(_told(upload)))


@router.get("", response={200: Page[File], **problems(400)}, operation_id="listFiles", summary="List files")
def list_files(request: HttpRequest, asked: Annotated[Filters, Query()]) -> Page[File]:
    """Those whose bytes are stored or still coming, newest first."""
    files, cursor = page_of(_chosen(request, asked), asked)
    return Page(items=[describe(upload) for upload in files], next=cursor)


@router.get(
    "/{uuid:file_key}",
    response={200: File, **problems(404, 410)},
    operation_id="getFile",
    summary="Look at a file",
    openapi_extra=refusals({410: _GONE}),
    url_name="file",
)
def get_file(request: HttpRequest, file_key: uuid.UUID) -> File:
    upload = load_file(request, file_key)
    if upload.state not in lifecycle.STORED:
        raise lifecycle.gone(upload)
    return describe(upload)


@router.delete(
    "/{uuid:file_key}",
    response={204: None, **problems(404, 409, 410)},
    operation_id="deleteFile",
    summary="Delete a file",
    openapi_extra=refusals({409: "`file_in_use`: a job is reading it; cancel that first.", 410: _GONE}),
)
def delete_file(request: HttpRequest, file_key: uuid.UUID) -> HttpResponse:
    """Reports that have been made of it stay. While a job reads it, it cannot be deleted: cancel the job first. An
    imported object stays in the bucket."""
    lifecycle.delete(load_file(request, file_key))
    return HttpResponse(status=204)


def load_file(request: HttpRequest, file_key: uuid.UUID) -> Upload:
    """The caller's file. Raises `Refusal` (404)."""
    return load_owned(Upload.objects.select_related("owner"), owner=user_of(request), pk=file_key)


def describe(upload: Upload) -> File:
    """A file whose bytes are there, or still coming."""
    coming = upload.state == Upload.State.RECEIVING
    return File(
        file_key=upload.pk,
        file_name=upload.filename,
        state=cast(State, upload.state),
        size=upload.length,
        received_bytes=upload.offset,
        keep=upload.keep,
        created_at=upload.created_at,
        completed_at=upload.completed_at,
        expires_at=upload.expires_at if coming else None,
    )


def _told(upload: Upload) -> Answer:
    return answer_of(describe(upload), location=reverse("api:file", args=[upload.pk]))


def _chosen(request: HttpRequest, asked: Filters) -> QuerySet[Upload]:
    chosen = user_of(request).uploads.filter(state__in=lifecycle.STORED)
    if asked.keep is not None:
        chosen = chosen.filter(keep=asked.keep)
    if asked.q:
        # No name has a NUL, and PostgreSQL takes none.
        chosen = chosen.filter(filename__icontains=asked.q.replace("\0", ""))
    return chosen
