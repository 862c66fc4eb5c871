"""Which pages of other sites may call."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.reports.rpc.web.conftest import SALES

pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., Any]
PAGE = "https://app.example.com"
METHOD = f"{SALES}/GetJobStatus"
ASKED = {
    "method": "OPTIONS",
    "content_type": "",
    "access_control_request_method": "POST",
    "access_control_request_headers": "authorization,content-type,x-grpc-web,x-trace",
}


async def test_a_page_that_is_allowed_may_call_with_what_it_asks_for(ask: Ask, settings: Any) -> None:
    settings.GRPC_WEB_ORIGINS = ["https://other.example.com", f"{PAGE}/"]
    answer = await ask(METHOD, origin=PAGE, **ASKED)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == "POST"
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "content-type", "grpc-timeout", "x-grpc-web", "x-trace", "x-user-agent"} == set(allowed)
    assert int(answer.headers["access-control-max-age"]) > 0
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "http://app.example.com", f"{PAGE}.evil.com", "null", ""]
)
async def test_another_page_may_not(ask: Ask, settings: Any, origin: str) -> None:
    settings.GRPC_WEB_ORIGINS = [PAGE]
    asked = await ask(METHOD, origin=origin, **ASKED)
    assert asked.status == 403
    called = await ask(METHOD, b"\0\0\0\0\0", origin=origin)
    for answer in (asked, called):
        assert answer.headers["vary"] == "Origin"
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_none_may_by_default(ask: Ask, settings: Any) -> None:
    assert settings.GRPC_WEB_ORIGINS == []
    assert (await ask(METHOD, origin=PAGE, **ASKED)).status == 403


async def test_a_star_allows_all(ask: Ask, settings: Any) -> None:
    settings.GRPC_WEB_ORIGINS = ["*"]
    assert (await ask(METHOD, origin="null", **ASKED)).headers["access-control-allow-origin"] == "*"


async def test_the_page_may_read_how_the_call_ended_and_the_id_of_the_job(ask: Ask, settings: Any) -> None:
    settings.GRPC_WEB_ORIGINS = [PAGE]
    answer = await ask(METHOD, b"\0\0\0\0\0", origin=PAGE)
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert set(exposed) == {"grpc-status", "grpc-message", "grpc-status-details-bin", "salesagg-job-id"}
    assert answer.headers["access-control-allow-origin"] == PAGE
