"""Requests that may come twice: with the header ``Idempotency-Key`` the second is answered as the first was.

A client that got no answer cannot know whether its request was carried out; with a key of its own choice it may simply
ask again (draft-ietf-httpapi-idempotency-key-header). The answer is kept in the transaction that does the work, so
that both are there or neither. Failure story: the process dies before; the key is there without an answer, and may be
used again after `ABANDONED`. A process that was only slow then finds its key taken over, keeps nothing, and so undoes
its work.

A key is good for one request: the same method, URL and content. The content of a form with a file is known when it has
been read, and is recorded with the answer. A later form with the same key is read, without storing it, to compare.

Answers may hold secrets, such as the one of a new webhook, and are kept encrypted.

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

from accounts import vault
from accounts.errors import Refusal
from accounts.models import IdempotentRequest, User

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255
KEPT = timedelta(hours=24)
# How long a request may be served before it counts as lost with its process. Longer than one takes: its body has come
# before, and storing 32 MiB takes seconds. A slower one undoes its work if its client has asked again meanwhile.
ABANDONED = timedelta(minutes=2)
# What a form holds, when it has been read.
ContentOf = Callable[[HttpRequest], str]


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

    def keep(self, answer: Answer, *, content: str = "") -> Answer:
        """Remember the answer, and the `content` of the form that it answers, if it answers a form. To be called in the
        transaction that makes it true. Raises `Refusal` (409)."""
        if self.record is not None:
            kept = {"sealed": vault.seal({"body": answer.body, "headers": answer.headers})}
            fingerprint = _with_content(self.record.fingerprint, content)
            unanswered = IdempotentRequest.objects.filter(pk=self.record.pk, status=None)
            if not unanswered.update(status=answer.status, answer=kept, fingerprint=fingerprint):
                raise _in_progress()
        return answer


@contextmanager
def once(request: HttpRequest, user: User, *, content_of: ContentOf | None = None) -> Iterator[Once]:
    """For work that is not one transaction: ask `answered`, do it, `keep` the answer where it becomes true.

    `content_of` reads the request's form to compare it with the first one's; without it the body is compared. What
    fails before the answer is kept frees the key. Raises `Refusal` (400, 409, 422).
    """
    key = request.headers.get(HEADER, "")
    if not key:
        yield Once(None)
        return
    served = _begin(request, user, key, content_of)
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


def _begin(request: HttpRequest, user: User, key: str, content_of: ContentOf | None) -> Once:
    if len(key) > MAX_KEY_LENGTH or not key.isprintable() or not key.isascii():
        message = _("An Idempotency-Key has at most %(count)s printable ASCII characters.") % {"count": MAX_KEY_LENGTH}
        raise Refusal("bad_idempotency_key", message, status=400)
    fingerprint = _fingerprint(request, b"" if content_of else request.body)
    mine = IdempotentRequest.objects.filter(user=user, key=key)
    now = timezone.now()
    mine.filter(Q(created_at__lt=now - KEPT) | Q(status=None, created_at__lt=now - ABANDONED)).delete()
    try:
        with transaction.atomic():
            return Once(IdempotentRequest.objects.create(user=user, key=key, fingerprint=fingerprint))
    except IntegrityError:
        earlier = mine.first()
    if earlier is None:
        raise _in_progress()
    is_answered = earlier.status is not None
    if is_answered and content_of is not None:
        fingerprint = _with_content(fingerprint, content_of(request))
    if earlier.fingerprint != fingerprint:
        message = _("This Idempotency-Key was used for another request. Choose a new one for each.")
        raise Refusal("idempotency_key_reused", message, status=422)
    return Once(None, _answer_in(earlier))


def _answer_in(earlier: IdempotentRequest) -> Answer:
    """The answer that was kept. Raises `Refusal` (409)."""
    if earlier.status is None or earlier.answer is None:
        raise _in_progress()
    try:
        # Version 1 kept answers as they were.
        kept = vault.unseal(earlier.answer["sealed"]) if "sealed" in earlier.answer else earlier.answer
    except vault.Unreadable:
        message = _("This request was carried out before, and its answer can no longer be shown.")
        raise Refusal("answer_not_kept", message, status=409) from None
    return Answer(earlier.status, **kept, replayed=True)


def _in_progress() -> Refusal:
    message = _("A request with this Idempotency-Key is still being served. Ask again in a moment.")
    return Refusal("request_in_progress", message, status=409, headers={"Retry-After": "1"})


def _fingerprint(request: HttpRequest, body: bytes) -> str:
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    digest.update(body)
    return digest.hexdigest()


def _with_content(fingerprint: str, content: str) -> str:
    return hashlib.sha256(f"{fingerprint}\n{content}".encode()).hexdigest() if content else fingerprint
