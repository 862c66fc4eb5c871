"""What this app keeps for a person; see `accounts.holdings`."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from accounts.export import in_batches, json_list_entry
from accounts.holdings import Entry, Loss
from accounts.models import User
from uploads import lifecycle


def usage(user: User) -> int:
    return lifecycle.stored_by(user)


def losses(user: User) -> list[Loss]:
    count = user.uploads.count()
    return [Loss(_("Uploaded files"), count, usage(user))] if count else []


def entries(user: User) -> Iterator[Entry]:
    """What is known of the files. Their bytes are not in it: they came from the person, and may be terabytes."""
    fields = (
        "id",
        "filename",
        "length",
        "offset",
        "state",
        "keep",
        "metadata",
        "created_at",
        "completed_at",
        "expires_at",
    )
    uploads = user.uploads.order_by("created_at")
    described = ({name: getattr(upload, name) for name in fields} for upload in in_batches(uploads))
    yield json_list_entry("uploads.json", lambda: described)


def erase(user: User) -> None:
    for upload in user.uploads.all():
        lifecycle.abandon(upload)
        lifecycle.remove(upload)
