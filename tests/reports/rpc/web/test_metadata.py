"""Headers become metadata, metadata headers; and how long a call may last."""

import pytest

from accounts.errors import Refusal
from reports.rpc.web import metadata


def test_what_a_client_says_is_passed_on() -> None:
    headers = [
        (b"authorization", b"Bearer secret"),
        (b"x-request", b"one"),
        (b"x-request", b"two"),
        (b"trace-bin", b"AAH/"),
        (b"short-bin", b"/w, /w=="),
    ]
    assert metadata.of_request(headers) == [
        ("authorization", "Bearer secret"),
        ("x-request", "one"),
        ("x-request", "two"),
        ("trace-bin", b"\0\1\xff"),
        ("short-bin", b"\xff"),
        ("short-bin", b"\xff"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("cookie", "host", "origin", "referer", "user-agent", "content-type", "content-length", "connection", "te"),
        *("transfer-encoding", "upgrade", "accept", "accept-encoding", "sec-fetch-mode", "grpc-timeout", "x-grpc-web"),
        *("grpc-encoding", "x-forwarded-for", "proxy-authorization", ":authority", "Cookie"),
    ],
)
def test_what_is_between_browser_and_web_server_stays_there(name: str) -> None:
    assert metadata.of_request([(name.encode(), b"1")]) == []


@pytest.mark.parametrize(("name", "value"), [(b"x-city", "München".encode()), (b"x y", b"1"), (b"x-odd", b"a\0b")])
def test_what_metadata_cannot_say_is_left_out(name: bytes, value: bytes) -> None:
    assert metadata.of_request([(name, value), (b"x-fine", b"1")]) == [("x-fine", "1")]


@pytest.mark.parametrize("value", [b"!", b"AAAAA", b"AAAA,?"])
def test_a_binary_header_has_to_be_base64(value: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        metadata.of_request([(b"trace-bin", value)])
    assert refused.value.code == "malformed_call"


def test_binary_metadata_of_an_answer_has_no_padding() -> None:
    assert list(metadata.of_answer([("a", "1"), ("b-bin", b"\xff"), ("c-bin", "AA")])) == [
        ("a", "1"),
        ("b-bin", "/w"),
        ("c-bin", "AA"),
    ]
    assert list(metadata.of_answer(None)) == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1H", 3600), ("2M", 120), ("3S", 3), ("4m", 0.004), ("5u", 5e-6), ("6n", 6e-9), ("0S", 0), ("00000010S", 10)],
)
def test_a_time_out_has_a_unit(value: str, seconds: float) -> None:
    assert metadata.timeout(value) == pytest.approx(seconds)


def test_without_one_a_call_may_last() -> None:
    assert metadata.timeout(None) is None


@pytest.mark.parametrize("value", ["", "1", "S", "-1S", "1.5S", "1 S", "1s", "123456789S", "1S\n", "١S", "1SS", "nan"])
def test_any_other_time_out_is_refused(value: str) -> None:
    with pytest.raises(Refusal) as refused:
        metadata.timeout(value)
    assert refused.value.code == "malformed_call"
