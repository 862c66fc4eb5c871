"""The API's description for people, at ``/api/docs``: a page made from the OpenAPI document that programs read."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from salesagg.api import COMMON_STATUSES, PROBLEM_TYPE, api
from salesagg.core.trusted_request import site_url

Json = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """A parameter, or a part of a body. `model` is the name of the one that its type links to."""

    name: str
    type: str
    model: str
    required: bool
    description: str


@dataclass(frozen=True)
class Answer:
    status: str
    description: str
    types: list[str]
    model: str


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    description: str
    needs_login: bool
    groups: list[tuple[str, list[Field]]]
    answers: list[Answer]
    example: str


@dataclass(frozen=True)
class Group:
    name: str
    operations: list[Operation] = field(default_factory=list)


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    document = api.get_openapi_schema()
    base = site_url("")
    text = json.dumps(document)
    models = [
        (name, _fields(schema))
        for name, schema in sorted(document["components"]["schemas"].items())
        if f'schemas/{name}"' in text
    ]
    context = {"groups": _groups(document, base), "models": models, "title": document["info"]["title"], "base": base}
    return render(request, "salesagg/reference.html", context)


def _groups(document: Json, base: str) -> list[Group]:
    groups: dict[str, Group] = {}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            name = (described.get("tags") or [document["info"]["title"]])[0]
            groups.setdefault(name, Group(name)).operations.append(_operation(path, method, described, document, base))
    return list(groups.values())


def _operation(path: str, method: str, described: Json, document: Json, base: str) -> Operation:
    parameters = described.get("parameters", [])
    titles = {"path": _("In the address"), "query": _("After the address (?name=value)"), "header": _("Headers")}
    groups = [(title, [_parameter(one) for one in parameters if one["in"] == place]) for place, title in titles.items()]
    for kind, body in described.get("requestBody", {}).get("content", {}).items():
        groups.append((_("Body, %(type)s") % {"type": kind}, _fields(_resolved(body["schema"], document))))
    return Operation(
        id=described["operationId"],
        method=method.upper(),
        path=path,
        summary=described["summary"],
        description=_marked(described.get("description", "")),
        needs_login="security" in described,
        groups=[(title, fields) for title, fields in groups if fields],
        answers=list(_answers(described)),
        example=_example(path, method, described, document, base),
    )


def _parameter(described: Json) -> Field:
    return _field(described["name"], described["schema"], required=described.get("required", False), told=described)


def _fields(schema: Json) -> list[Field]:
    required = schema.get("required", [])
    properties = schema.get("properties", {}).items()
    return [_field(name, one, required=name in required, told=one) for name, one in properties]


def _field(name: str, schema: Json, *, required: bool, told: Json) -> Field:
    words, model = _type(schema)
    return Field(name, words, model, required, _marked(told.get("description", "")))


def _type(schema: Json) -> tuple[str, str]:
    """In words, and the model among them."""
    if "$ref" in schema:
        name = _model(schema)
        return name, name
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            choices = [_type(choice) for choice in schema[key]]
            models = [model for _words, model in choices if model]
            return " | ".join(dict.fromkeys(words for words, _model in choices)), "".join(models[:1])
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")])), ""
    if schema.get("type") == "array":
        words, model = _type(schema.get("items", {}))
        return _("list of %(type)s") % {"type": words}, model
    if isinstance(schema.get("additionalProperties"), dict):
        words, model = _type(schema["additionalProperties"])
        return _("object of %(type)s") % {"type": words}, model
    words = str(schema.get("format") or schema.get("type", _("anything")))
    bounds = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    return " ".join([words, *bounds]), ""


def _answers(described: Json) -> Iterator[Answer]:
    """What it answers; refusals that every operation may have are told once for all."""
    for status, answer in described["responses"].items():
        if str(status) in COMMON_STATUSES and answer["description"] == COMMON_STATUSES[str(status)]:
            continue
        content = answer.get("content", {})
        model = next((_type(one["schema"])[1] for one in content.values() if "schema" in one), "")
        phrase = answer["description"]
        if phrase in ("OK", ""):
            phrase = HTTPStatus(int(status)).phrase
        yield Answer(str(status), _marked(phrase), [kind for kind in content if kind != PROBLEM_TYPE], model)


def _example(path: str, method: str, described: Json, document: Json, base: str) -> str:
    """A line for a shell, as somebody with a token would write it."""
    address = base + re.sub(r"{(\w+)}", lambda found: f"${found[1].upper()}", path)
    parts = ["curl" if method == "get" else f"curl -X {method.upper()}"]
    if "security" in described:
        parts.append('-H "Authorization: Bearer $SALESAGG_TOKEN"')
    for kind, body in described.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(body["schema"], document)
        if kind == "multipart/form-data":
            parts[0] = "curl"
            parts.append("-F file=@sales.csv")
        elif schema.get("example") is not None:
            parts.append(f"-H 'Content-Type: {kind}' -d '{json.dumps(schema['example'])}'")
    return " ".join([*parts, f'"{address}"'])


def _marked(text: str) -> SafeString:
    """The text with what stands between backticks as code."""
    pieces = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", piece) if i % 2 else piece,) for i, piece in pieces)
    )


def _resolved(schema: Json, document: Json) -> Json:
    """The schema that a reference means, also where it may be left out."""
    for choice in (schema, *schema.get("anyOf", [])):
        if "$ref" in choice:
            found: Json = document["components"]["schemas"][_model(choice)]
            return found
    return schema


def _model(schema: Json) -> str:
    return str(schema["$ref"].rpartition("/")[2])
