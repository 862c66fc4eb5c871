"""The one way to load an object that belongs to somebody, and to let one at a time change what somebody has."""

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


def hold_owner(owner_id: int) -> User:
    """The owner's row, which nobody else holds until the transaction ends: for what is counted before it is added to.

    It comes before any other row that the transaction holds: in another order two could wait for each other. Rows
    that name the owner can be written meanwhile. Failure story: a file was processed again, which held its owner and
    waited for the file, while its last job was deleted, which held the file and waited for the owner to be named in
    the log of who did what; PostgreSQL ended one of them as a deadlock.

    Raises `Refusal` (404) when the account is gone.
    """
    owner = User.objects.select_for_update(no_key=True).filter(pk=owner_id).first()
    if owner is None:
        raise not_found(str(User._meta.verbose_name))
    return owner
