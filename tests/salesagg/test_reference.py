"""The page that describes the API."""

import re

import pytest
from django.test import Client

from salesagg.api import api

pytestmark = pytest.mark.django_db


def test_it_has_every_operation_and_every_type_it_links_to(client: Client) -> None:
    page = client.get("/api/docs").content.decode()
    document = api.get_openapi_schema()
    for methods in document["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    links = set(re.findall(r'href="#([^"]+)"', page)) - {"main"}
    assert len(links) > len(document["paths"])
    assert links - set(re.findall(r'id="([^"]+)"', page)) == set()


def test_it_shows_how_each_is_asked(client: Client) -> None:
    page = client.get("/api/docs").content.decode()
    assert (
        "curl -H &quot;Authorization: Bearer $SALESAGG_TOKEN&quot; &quot;http://localhost:8000/api/jobs&quot;" in page
    )
    # What needs no log-in is not asked with a token.
    assert "<code>curl &quot;http://localhost:8000/api/downloads/$TOKEN/$FILE&quot;</code>" in page


def test_it_marks_code_and_shows_nothing_as_markup(client: Client) -> None:
    page = client.get("/api/docs").content.decode()
    assert "<code>next</code> of the page before." in page
    assert "`" not in page


def test_it_takes_no_other_method(client: Client) -> None:
    assert client.post("/api/docs").status_code == 405


def test_operations_have_ids_and_summaries_of_their_own() -> None:
    operations = [one for methods in api.get_openapi_schema()["paths"].values() for one in methods.values()]
    ids = [one["operationId"] for one in operations]
    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not re.fullmatch(r"[a-z][A-Za-z]+", name)] == []
    assert [one["operationId"] for one in operations if not one.get("tags")] == []
