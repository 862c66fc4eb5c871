"""Lists a page at a time, newest first, by cursor: what comes meanwhile moves nothing that is still to be read."""

import base64
import binascii
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from accounts.api.schemas import Out, Params
from accounts.errors import Refusal

M = TypeVar("M", bound=Model)
T = TypeVar("T")


class Paging(Params):
    limit: int = Field(default=50, ge=1, le=200, description="How many at most.")
    cursor: str = Field(default="", max_length=200, description="`next` of the page before.")


Asked = Annotated[Paging, Query()]


class Page(Out, Generic[T]):
    items: list[T]
    next: str | None = Field(description="The cursor of the next page; null when this is the last.")


def page_of(objects: QuerySet[M], paging: Paging) -> tuple[list[M], str | None]:
    """A page of `objects`, which have ``created_at`` and a UUID, and the next page's cursor. Raises `Refusal` (400).

    It is a range of an index over (…, -created_at, -pk), however far the page.
    """
    if paging.cursor:
        created_at, pk = _decode(paging.cursor)
        # The first condition says nothing new; but by it the database finds where to begin.
        objects = objects.filter(created_at__lte=created_at)
        objects = objects.filter(Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=pk))
    found: list[Any] = list(objects.order_by("-created_at", "-pk")[: paging.limit + 1])
    items = found[: paging.limit]
    return items, _encode(items[-1].created_at, items[-1].pk) if len(found) > len(items) else None


def _encode(created_at: datetime, pk: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(f"{created_at.isoformat()} {pk}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, uuid.UUID]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        time, _space, pk = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(" ")
        created_at = datetime.fromisoformat(time)
        if created_at.tzinfo is None:
            raise ValueError("a time without a zone")
        # As a database compares it; at the ends of time that can fail.
        return created_at.astimezone(UTC), uuid.UUID(pk)
    except (ValueError, binascii.Error, OverflowError):
        message = _("This cursor is not one of ours. Use “next” of a page as it is.")
        raise Refusal("bad_cursor", message, status=400) from None
