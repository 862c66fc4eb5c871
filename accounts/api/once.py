"""Operations that make something, asked once or twice; see `accounts.idempotency`."""

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpRequest, HttpResponse, JsonResponse

from accounts import idempotency
from accounts.api.auth import user_of
from accounts.api.schemas import Out
from accounts.idempotency import Answer

REPLAYED = "Idempotent-Replayed"
Made = TypeVar("Made", bound=Out)


def create(
    request: HttpRequest,
    work: Callable[[], Made],
    *,
    status: int = 201,
    location: Callable[[Made], str] | None = None,
) -> HttpResponse:
    """The answer that tells what `work` has made, in one transaction, now or when it was asked for before.

    `location` gives the address of what was made, for the header.
    """

    def answer() -> Answer:
        made = work()
        return answer_of(made, status=status, location=location(made) if location else "")

    return answered(idempotency.run(request, user_of(request), answer))


def answer_of(made: Out, *, status: int = 201, location: str = "") -> Answer:
    body = made.as_json()
    return Answer(status, body, {"Location": location} if location else {})


def answered(answer: Answer) -> HttpResponse:
    """The answer as it was, and whether it is an earlier request's."""
    response = JsonResponse(answer.body, status=answer.status, headers=answer.headers)
    if answer.replayed:
        response[REPLAYED] = "true"
    return response
