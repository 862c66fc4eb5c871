"""Requests that may come twice: with the header ``Idempotency-Key`` the second is answered as the first was.

A client that got no answer cannot know whether its request was carried out; with a key of its own choice it may simply
ask again (draft-ietf-httpapi-idempotency-key-header). The answer is kept in the transaction that does the work, so
that both are there or neither. Failure story: the process dies before; the key is there without an answer, and may be
used again after `ABANDONED`. A process that was only slow then finds its key taken over, keeps nothing, and so undoes
its work.

Refusals are not kept: what was refused has had no effect, and may be asked again.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import Refusal
from accounts.models import IdempotentRequest, User

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255
# How long an answer is kept, and how long a request may be on its way before it counts as lost with its process.
KEPT = timedelta(hours=24)
ABANDONED = timedelta(minutes=15)


@dataclass(frozen=True)
class Answer:
    """What a client is told: all of it that is kept, and is the same when it is told again."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    replayed: bool = False


@dataclass
class Once:
    """A request being served under its key. `answered` is what an earlier one got, or None when this is the first."""

    record: IdempotentRequest | None
    answered: Answer | None = None

    def keep(self, answer: Answer) -> Answer:
        """Remember the answer. To be called in the transaction that makes it true. Raises `Refusal` (409)."""
        if self.record is not None:
            kept = {"body": answer.body, "headers": answer.headers}
            if not IdempotentRequest.objects.filter(pk=self.record.pk).update(status=answer.status, answer=kept):
                raise _in_progress()
        return answer


@contextmanager
def once(request: HttpRequest, user: User) -> Iterator[Once]:
    """For work that is not one transaction: ask `answered`, do it, `keep` the answer where it becomes true.

    What fails before that frees the key. Raises `Refusal` (400, 409, 422).
    """
    key = request.headers.get(HEADER, "")
    if not key:
        yield Once(None)
        return
    served = _begin(user, key, _fingerprint(request))
    try:
        yield served
    except BaseException:
        if served.record is not None:
            IdempotentRequest.objects.filter(pk=served.record.pk, status=None).delete()
        raise


def run(request: HttpRequest, user: User, work: Callable[[], Answer]) -> Answer:
    """The answer of `work`, which is done in a transaction, unless it was done before."""
    with once(request, user) as served:
        if served.answered is not None:
            return served.answered
        with transaction.atomic():
            return served.keep(work())


def remove_old() -> None:
    """For the sweep."""
    IdempotentRequest.objects.filter(created_at__lt=timezone.now() - KEPT).delete()


def _begin(user: User, key: str, fingerprint: str) -> Once:
    if len(key) > MAX_KEY_LENGTH or not key.isprintable() or not key.isascii():
        message = _("An Idempotency-Key has at most %(count)s printable ASCII characters.") % {"count": MAX_KEY_LENGTH}
        raise Refusal("bad_idempotency_key", message, status=400)
    mine = IdempotentRequest.objects.filter(user=user, key=key)
    now = timezone.now()
    mine.filter(Q(created_at__lt=now - KEPT) | Q(status=None, created_at__lt=now - ABANDONED)).delete()
    try:
        with transaction.atomic():
            return Once(IdempotentRequest.objects.create(user=user, key=key, fingerprint=fingerprint))
    except IntegrityError:
        earlier = mine.first()
    if earlier is not None and earlier.fingerprint != fingerprint:
        message = _("This Idempotency-Key was used for another request. Choose a new one for each.")
        raise Refusal("idempotency_key_reused", message, status=422)
    if earlier is None or earlier.status is None or earlier.answer is None:
        raise _in_progress()
    return Once(None, Answer(earlier.status, **earlier.answer, replayed=True))


def _in_progress() -> Refusal:
    message = _("A request with this Idempotency-Key is still being served. Ask again in a moment.")
    return Refusal("request_in_progress", message, status=409, headers={"Retry-After": "1"})


def _fingerprint(request: HttpRequest) -> str:
    """Of method, address and body. Of a form, which is not read for it and has another boundary each time, the length:
    so that a key used for another file by mistake is refused, rather than the file silently left out."""
    told = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    is_form = request.content_type == "multipart/form-data"
    told.update(request.headers.get("Content-Length", "").encode() if is_form else request.body)
    return told.hexdigest()
