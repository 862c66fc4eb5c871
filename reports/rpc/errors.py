"""Refusals as gRPC tells them: a status code, a sentence, and details for programs (google.rpc's error model)."""

import contextlib
import logging
from typing import NoReturn

import grpc
from django.utils.translation import gettext as _
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc_status import rpc_status

from accounts import metrics
from accounts.errors import Refusal
from accounts.outage import is_database_away
from reports.rpc import observing
from uploads.storage import StorageFull, is_full

logger = logging.getLogger(__name__)

# Of the `ErrorInfo`: whose codes these are.
DOMAIN = "salesagg"
# Sentences may have a client's own words in them. They are in headers, several times and in longer forms, and of those
# clients take 8 KB.
MESSAGE_BYTES = 1000
_BY_STATUS = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    408: StatusCode.DEADLINE_EXCEEDED,
    409: StatusCode.FAILED_PRECONDITION,
    410: StatusCode.FAILED_PRECONDITION,
    413: StatusCode.RESOURCE_EXHAUSTED,
    422: StatusCode.INVALID_ARGUMENT,
    429: StatusCode.RESOURCE_EXHAUSTED,
    500: StatusCode.INTERNAL,
    501: StatusCode.UNIMPLEMENTED,
    503: StatusCode.UNAVAILABLE,
    507: StatusCode.RESOURCE_EXHAUSTED,
}
# Where the status alone says too little.
_BY_CODE = {"gone": StatusCode.ABORTED, "job_cancelled": StatusCode.ABORTED}
_by_number = {code.value[0]: code for code in StatusCode}


class Invalid(Refusal):
    """A request that cannot be carried out as it is, because of one of its fields."""

    def __init__(self, code: str, message: str, field: str) -> None:
        super().__init__(code, message, status=400)
        self.field = field


async def end(context: "grpc.aio.ServicerContext[Message, Message]", method: str, error: Exception) -> NoReturn:
    """End the call with what it raised. Of errors of ours its caller learns only that it was one."""
    if isinstance(error, (grpc.aio.AbortError, grpc.aio.InternalError)):
        # Ended already: by us, or by its client, to whom nothing can be sent any more.
        raise error
    if not isinstance(error, Refusal):
        logger.error("%s failed", method, exc_info=error)
        metrics.note_failure(error)
        metrics.ERRORS.labels("grpc").inc()
        error = _ours(error)
    else:
        metrics.REFUSALS.labels("grpc", error.code).inc()
    status = status_of(error)
    trailing = (*rpc_status.to_status(status).trailing_metadata, *observing.trailing())
    # A status in the first headers of an answer is lost in a proxy that sends headers on at once, as Caddy does.
    with contextlib.suppress(grpc.aio.UsageError):
        await context.send_initial_metadata(())
    await context.abort(_by_number[status.code], status.message, trailing)


def _ours(error: Exception) -> Refusal:
    if is_full(error):
        return StorageFull()
    if is_database_away(error):
        return Refusal("unavailable", _("A service behind us is away. Try again in a moment."), status=503)
    return Refusal("internal", _("Something went wrong on our side. Try again later."), status=500)


def status_of(refusal: Refusal) -> Status:
    """The status, with details: what it is for programs, what is wrong with the request, when to come again."""
    message = _short(refusal.message)
    code = _BY_CODE.get(refusal.code) or _BY_STATUS.get(refusal.status, StatusCode.UNKNOWN)
    details: list[Message] = [ErrorInfo(reason=refusal.code, domain=DOMAIN)]
    if code is StatusCode.INVALID_ARGUMENT:
        field = refusal.field if isinstance(refusal, Invalid) else ""
        violation = BadRequest.FieldViolation(field=field, description=message, reason=refusal.code)
        details.append(BadRequest(field_violations=[violation]))
    if "Retry-After" in refusal.headers:
        details.append(RetryInfo(retry_delay=Duration(seconds=int(refusal.headers["Retry-After"]))))
    number: int = code.value[0]
    return Status(code=number, message=message, details=[_packed(detail) for detail in details])


def _short(message: str) -> str:
    encoded = message.encode()
    return message if len(encoded) <= MESSAGE_BYTES else encoded[:MESSAGE_BYTES].decode(errors="ignore") + "…"


def _packed(detail: Message) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed
