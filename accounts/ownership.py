"""The one way to load an object that belongs to somebody."""

from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet

from accounts.errors import not_found
from accounts.models import User

M = TypeVar("M", bound=Model)


def load_owned(objects: QuerySet[M], *, owner: User | AnonymousUser, by: str = "owner", **lookup: Any) -> M:
    """The object of `objects` that matches `lookup` and belongs to `owner`; else a `Refusal` with status 404.

    `by` is the field that names whose it is.
    A stranger's id and an id that never was give the same answer, so that ids cannot be probed.
    """
    found = objects.filter(**{by: owner}, **lookup).first() if owner.is_authenticated else None
    if found is None:
        raise not_found(str(objects.model._meta.verbose_name))
    return found
