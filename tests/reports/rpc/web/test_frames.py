"""What may stand in a body, and what may not."""

import base64
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import Refusal
from reports.rpc.web import frames
from tests.reports.rpc.web.conftest import framed


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_messages_come_out_as_they_went_in(sent: list[bytes]) -> None:
    assert list(frames.messages(b"".join(map(framed, sent)))) == sent


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_refused(body: bytes) -> None:
    try:
        found = frames.messages(body)
    except Refusal:
        return
    assert b"".join(map(framed, found)) == body


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (b"", "malformed_call", 400),
        (b"\0\0\0", "malformed_call", 400),
        (framed(b"half")[:-1], "malformed_call", 400),
        (framed(b"whole") + b"\0\0\0\0", "malformed_call", 400),
        (struct.pack(">BI", 0, 2**32 - 1) + b"little", "malformed_call", 400),
        (framed(b"grpc-status:0\r\n", flags=0x80), "malformed_call", 400),
        (framed(b"odd", flags=2), "malformed_call", 400),
        (framed(b"zipped", flags=1), "message_compressed", 501),
        (framed(b"whole") + framed(b"zipped", flags=1), "message_compressed", 501),
    ],
)
def test_a_broken_body_is_refused(body: bytes, code: str, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        frames.messages(body)
    assert (refused.value.code, refused.value.status) == (code, status)


def test_more_messages_than_anybody_sends_are_refused_before_they_cost_time() -> None:
    assert len(frames.messages(framed(b"") * frames.MOST_MESSAGES)) == frames.MOST_MESSAGES
    body = framed(b"") * 6_000_000
    began = time.process_time()
    with pytest.raises(Refusal, match="too many"):
        frames.messages(body)
    assert time.process_time() - began < 0.2


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10))
def test_base64_may_come_in_pieces_each_with_its_padding(pieces: list[bytes]) -> None:
    assert frames.decoded(b"".join(map(base64.b64encode, pieces))) == b"".join(pieces)


@pytest.mark.parametrize(
    "text", [b"AAA", b"A===", b"=AAA", b"AA==AA=", b"AA=A", b"AA AA", b"AAA\xff", b"__--", b"===="]
)
def test_what_is_not_base64_is_refused(text: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        frames.decoded(text)
    assert (refused.value.code, refused.value.status) == ("malformed_call", 400)


def test_so_are_pieces_of_it_without_end() -> None:
    text = b"AA==" * 8_000_000
    began = time.process_time()
    with pytest.raises(Refusal, match="too many"):
        frames.decoded(text)
    assert time.process_time() - began < 0.2


@given(st.text(max_size=100))
def test_a_status_message_keeps_the_trailers_in_order(details: str) -> None:
    frame = frames.trailers(5, details, [("x-more", "1")])
    lines = frame[5:].decode("ascii").split("\r\n")
    assert struct.unpack(">BI", frame[:5]) == (0x80, len(frame) - 5)
    assert lines[0] == "grpc-status:5"
    assert lines[-2:] == ["x-more:1", ""]
    assert len(lines) == (4 if details else 3)


def test_a_status_message_is_escaped_as_grpc_says() -> None:
    frame = frames.trailers(3, "50% of “ä”, a~b\r\n", [])
    expected = "grpc-message:50%25 of %E2%80%9C%C3%A4%E2%80%9D, a~b%0D%0A\r\n"
    assert frame[5:].decode("ascii") == f"grpc-status:3\r\n{expected}"
