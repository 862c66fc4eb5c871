"""The log of who did what: `record` is called where an act is decided, in the transaction that does it.

So there is no act without its entry and no entry of an act that was rolled back. Who acts, by which way and from where
is known from the request that is being served: whoever takes one in says so by `serving`. What has no request, as a
command or the sweep, is the system's.

What it does not do: note what was looked at on pages, or what workers do with a job; the job tells that itself.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db.models import Model, QuerySet
from django.utils import timezone

from accounts import logcontext
from accounts.acts import Act, Via
from accounts.models import AuditEntry, User

# Deleted at a time, so that no sweep holds up other writers for long.
REMOVED_AT_ONCE = 5000
# Read at a time for an export.
EXPORTED_AT_ONCE = 1000


@dataclass(frozen=True)
class Origin:
    """Where an act comes from. `token` is the name of an API token, never the token."""

    via: Via = Via.SYSTEM
    user: User | None = None
    address: str = ""
    token: str = ""


# Asked when something is recorded, not before: who a request comes from is found out while it is served.
_origin: "contextvars.ContextVar[Callable[[], Origin]]" = contextvars.ContextVar("origin", default=Origin)
_silent: "contextvars.ContextVar[bool]" = contextvars.ContextVar("silent", default=False)


@contextlib.contextmanager
def serving(here: Callable[[], Origin]) -> Iterator[None]:
    """What is recorded meanwhile comes from there."""
    before = _origin.set(here)
    try:
        yield
    finally:
        _origin.reset(before)


def serve(here: Origin) -> None:
    """What is recorded in this task from now on comes from there."""
    _origin.set(lambda: here)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Record nothing meanwhile: what is done is part of an act that is noted as a whole."""
    before = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(before)


def record(
    act: Act,
    about: Model | None = None,
    *,
    account: User | int | None = None,
    label: str = "",
    object_type: str = "",
    object_id: str = "",
) -> None:
    """Note an act upon `about`, which is called `label`. `account` is whose that is; without it, the one's who acts.

    `object_type` and `object_id` stand for an object that is no more, or is none of ours.
    """
    if _silent.get():
        return
    here = origin()
    owner = here.user if account is None else account
    AuditEntry.objects.create(
        action=act,
        account_id=owner.pk if isinstance(owner, User) else owner,
        actor=here.user,
        via=here.via,
        token=plain(here.token)[:100],
        address=here.address[:45],
        object_type=object_type or ("" if about is None else str(about._meta.model_name)),
        object_id=object_id or ("" if about is None else str(about.pk)),
        label=plain(label)[:200],
        request_id=logcontext.request_id()[:64],
    )


def origin() -> Origin:
    """Where what is done now comes from."""
    return _origin.get()()


def of(user: User) -> QuerySet[AuditEntry]:
    """What was done with the things of `user`, by whomever, the latest first."""
    return AuditEntry.objects.filter(account=user).order_by("-pk")


def told(user: User) -> Iterator[dict[str, Any]]:
    """The same for an export, the oldest first. Where others did it from is theirs. Each batch is a query of its own,
    so that no connection to the database lasts as long as a slow client."""
    fields = ("at", "action", "via", "token", "object_type", "object_id", "label")
    entries, last = of(user).order_by("pk"), 0
    while batch := list(entries.filter(pk__gt=last)[:EXPORTED_AT_ONCE]):
        last = batch[-1].pk
        for entry in batch:
            own = entry.actor_id == user.pk
            shown = {"by_you": own, "address": entry.address if own else ""}
            yield {name: getattr(entry, name) for name in fields} | shown


def forget(user: User) -> None:
    """Take out of the log what tells of a person, for the transaction that deletes the account. That something was done
    stays; who it was, from where, and what it was called does not."""
    theirs = AuditEntry.objects.filter(account=user)
    # Who was not logged in has left only an address, and it was this person's thing that they looked at.
    theirs.filter(actor=None).update(address="")
    theirs.update(label="", account=None)
    AuditEntry.objects.filter(actor=user).update(token="", address="", actor=None)  # nosec B106
    # Django's log of the administration calls people by their address.
    of_user = LogEntry.objects.filter(content_type__app_label="accounts", content_type__model="user")
    of_user.filter(object_id=str(user.pk)).update(object_repr=f"user {user.pk}")
    here = origin()
    AuditEntry.objects.create(
        action=Act.ACCOUNT_DELETED,
        actor=None if here.user == user else here.user,
        via=here.via,
        object_type="user",
        object_id=str(user.pk),
        request_id=logcontext.request_id()[:64],
    )


def remove_old() -> int:
    """For the sweep: forget what was done so long ago; returns how many entries."""
    if not settings.AUDIT_DAYS:
        return 0
    old = AuditEntry.objects.filter(at__lt=timezone.now() - timedelta(days=settings.AUDIT_DAYS))
    oldest = list(old.order_by("at").values_list("pk", flat=True)[:REMOVED_AT_ONCE])
    deleted, _each = AuditEntry.objects.filter(pk__in=oldest).delete()
    return deleted


def plain(text: str) -> str:
    """`text` on one line, without what is not printable: names are chosen by people, and read in logs and tables."""
    return "".join(each if each.isprintable() else " " for each in text)
