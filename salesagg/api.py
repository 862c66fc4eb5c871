"""The API's root: what all operations have in common. It only mounts what the apps bring."""

import hashlib
from datetime import datetime
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError, ValidationErrorContext
from ninja.openapi.schema import OpenAPISchema
from ninja.params.models import BodyModel
from ninja.parser import Parser
from ninja.renderers import JSONRenderer
from ninja.responses import NinjaJSONEncoder

from accounts.access import require_user
from accounts.api.auth import AUTH
from accounts.api.schemas import Problem
from accounts.errors import Refusal
from accounts.middleware import problem_response, refusal_response
from reports.api import (
    actions,
    customers,
    downloads,
    figures,
    jobs,
    processing,
    results,
    shares,
    stream,
    upload,
    webhooks,
)
from salesagg import limits
from salesagg.core import json_body
from uploads import api as files

PROBLEM_TYPE = "application/problem+json"
# What any operation may answer besides its own.
COMMON_PROBLEMS = {
    "400": "The request cannot be read.",
    "413": "The request's body is too large.",
    "422": "The request is not as described here.",
    "429": "Too many requests; the header Retry-After tells how many seconds to wait.",
}
AUTH_PROBLEMS = {"401": "No valid token and no session.", "403": "The token's scope does not allow it."}
COMMON_STATUSES = COMMON_PROBLEMS | AUTH_PROBLEMS


class ExactTimes(NinjaJSONEncoder):
    """Microseconds and all: a time that was told finds its job again, and is told the same everywhere."""

    def default(self, o: Any) -> Any:
        return o.isoformat().replace("+00:00", "Z") if isinstance(o, datetime) else super().default(o)


class Renderer(JSONRenderer):
    encoder_class = ExactTimes


class BodyParser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        return json_body.parse(request.body)


class Api(NinjaAPI):
    """Answers have an ETag, refusals are problems, and the description says so."""

    def create_response(self, request: HttpRequest, data: Any, **kwargs: Any) -> HttpResponse:
        response = super().create_response(request, data, **kwargs)
        if request.method not in ("GET", "HEAD") or response.status_code != 200:
            return response
        response["Cache-Control"] = "private, no-cache"
        response["ETag"] = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        conditional = get_conditional_response(request, etag=response["ETag"], response=response)
        assert isinstance(conditional, HttpResponse)
        return conditional

    def validation_error_from_error_contexts(
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> ValidationError:
        """As ninja's, but fields are called as the client called them, without the names of our parameters."""
        return ValidationError(
            [
                {
                    "loc": (context.model.__ninja_param_source__, *_as_sent(context.model, found["loc"])),
                    "msg": found["msg"],
                }
                for context in error_contexts
                for found in context.pydantic_validation_error.errors(include_url=False)
            ]
        )

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**kwargs)
        schema["components"]["schemas"]["Problem"] = Problem.model_json_schema(
            by_alias=True, ref_template="#/components/schemas/{model}"
        )
        schema["components"]["schemas"] |= schema["components"]["schemas"]["Problem"].pop("$defs", {})
        for methods in schema["paths"].values():
            for method, operation in methods.items():
                _describe_problems(operation)
                if method == "get" and "application/json" in operation["responses"]["200"].get("content", {}):
                    operation["responses"].setdefault("304", {"description": "As `If-None-Match` knows it."})
                operation["responses"] = dict(sorted(operation["responses"].items()))
        return schema


def _as_sent(model: Any, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    if issubclass(model, BodyModel):
        return loc[1:] if getattr(model, "__read_from_single_attr__", None) else loc
    names = model.__ninja_flatten_map_reverse__
    known = next((length for length in range(len(loc), 0, -1) if loc[:length] in names), 0)
    return (*names.get(loc[:known], ()), *loc[known:])


def _describe_problems(operation: dict[str, Any]) -> None:
    common = COMMON_PROBLEMS | (AUTH_PROBLEMS if "security" in operation else {})
    responses = {str(status): response for status, response in operation["responses"].items()}
    for status, description in common.items():
        responses.setdefault(status, {"description": description})
    for status, response in responses.items():
        if int(status) >= 400:
            response["content"] = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation["responses"] = responses


api = Api(
    title="Salesagg",
    version="1",
    description="Sales CSVs in, trusted reports out.",
    auth=AUTH,
    urls_namespace="api",
    docs_url=None,
    renderer=Renderer(),
    parser=BodyParser(),
)
api.add_router("/jobs", upload.router)
api.add_router("/jobs", jobs.router)
api.add_router("/jobs", actions.router)
api.add_router("/jobs", processing.jobs)
api.add_router("/jobs", results.router)
api.add_router("/jobs", figures.router)
api.add_router("/jobs", shares.router)
api.add_router("/files", processing.files)
api.add_router("/jobs", stream.router)
api.add_router("/files", files.router)
api.add_router("", customers.router)
api.add_router("/limits", limits.router)
api.add_router("/webhooks", webhooks.router)
api.add_router("", downloads.router)


@api.exception_handler(Refusal)
def refuse(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    return refusal_response(request, refusal)


@api.exception_handler(AuthenticationError)
def refuse_anonymous(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    try:
        require_user(request)
    except Refusal as refusal:
        return refusal_response(request, refusal)
    raise error


@api.exception_handler(ValidationError)
def refuse_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [{"field": ".".join(str(part) for part in found["loc"]), "detail": found["msg"]} for found in error.errors]
    told = "; ".join(f"{found['field']}: {found['detail']}" for found in errors[:3])
    return problem_response(422, "invalid_request", _("The request is not as described at /api/docs. ") + told, errors)


@api.exception_handler(HttpError)
def refuse_unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    return problem_response(error.status_code, "bad_request", str(error))


@api.exception_handler(RequestDataTooBig)
def refuse_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem_response(413, "body_too_large", _("This is too much JSON for one request."))


@api.exception_handler(Http404)
def refuse_unknown(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem_response(404, "not_found", _("There is nothing at this address. See /api/docs."))
