"""What the other apps keep for a person.

This app is the lowest and knows none of them. Each registers a module that answers for what it keeps: how much it is,
what of it belongs into an export, and how it is deleted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from accounts.models import User


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Entry:
    """A file of an export: its path there, and how it is opened when its turn comes."""

    path: str
    open: Callable[[], Readable]


@dataclass(frozen=True)
class Loss:
    """What goes with an account: `count` things that `label` names, of so many bytes where that is known."""

    label: str
    count: int
    size: int | None = None


class Holdings(Protocol):
    """What a registered module has to have."""

    def usage(self, user: User, /) -> int:
        """Bytes that count against the person's quota."""

    def losses(self, user: User, /) -> list[Loss]:
        """What deleting would delete; empty when nothing is kept."""

    def entries(self, user: User, /) -> Iterator[Entry]:
        """The person's data, for an export."""

    def erase(self, user: User, /) -> None:
        """Delete everything, files and rows. It may have been done in part before, or be done twice at once."""


_registered: list[Holdings] = []


def register(holdings: Holdings) -> None:
    """To be called when an app is ready. Apps are, and things are deleted, in the order of INSTALLED_APPS: what is made
    of something before that something, reports before uploads.
    """
    _registered.append(holdings)


def usage(user: User) -> int:
    return sum(holdings.usage(user) for holdings in _registered)


def losses(user: User) -> list[Loss]:
    return [loss for holdings in _registered for loss in holdings.losses(user)]


def entries(user: User) -> Iterator[Entry]:
    for holdings in _registered:
        yield from holdings.entries(user)


def erase(user: User) -> None:
    for holdings in _registered:
        holdings.erase(user)
