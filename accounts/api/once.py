"""Operations that make something, asked once or twice; see `accounts.idempotency`."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts import idempotency
from accounts.api.auth import user_of
from accounts.api.schemas import Out
from accounts.idempotency import Answer


def create(request: HttpRequest, work: Callable[[], Out], *, status: int = 201) -> HttpResponse:
    """The answer that tells what `work` has made, in one transaction, now or when it was asked for before."""
    return answered(idempotency.run(request, user_of(request), lambda: answer_of(work(), status=status)))


def answer_of(made: Out, *, status: int = 201) -> Answer:
    return status, made.model_dump(mode="json", by_alias=True)


def answered(answer: Answer) -> HttpResponse:
    status, body = answer
    return JsonResponse(body, status=status)
