"""Lines of the log: one each, about what they are about, and without secrets."""

import json
import logging
import os
import re
import subprocess
import sys
import threading

import pytest

from accounts import logcontext
from salesagg import logs


def written(formatter: logging.Formatter, message: str, *arguments: object, error: bool = False) -> str:
    exc_info = sys.exc_info() if error else None
    record = logging.LogRecord("reports.runner", logging.INFO, "runner.py", 1, message, arguments, exc_info)
    logs.ContextFilter().filter(record)
    return formatter.format(record)


LINE, JSON = logs.LineFormatter(), logs.LinesOfJson()


@pytest.mark.parametrize(
    "nasty",
    ["a\r\n2026-11-22 ERROR root: forged", "\x1b[2Jgone", "a\x85b", "a\u2028b", "\u202etxt.exe", "\x00", "\ud800"],
)
def test_nothing_that_a_client_sends_begins_a_line_of_its_own_or_moves_the_cursor(nasty: str) -> None:
    for formatter in (LINE, JSON):
        text = written(formatter, "file %s came", nasty)
        assert text.isprintable(), text
        assert len(text.splitlines()) == 1


def test_what_is_no_danger_is_written_as_it_is() -> None:
    assert written(LINE, "file %s came", "Umsätze „März“ 2026 – ü.csv").endswith(
        "file Umsätze „März“ 2026 – ü.csv came"
    )


def test_the_lines_of_an_error_cannot_pass_for_lines_of_the_log() -> None:
    try:
        raise ValueError("bad\n2026-11-22 00:00:00,000 INFO accounts: forged\x1b[0m")
    except ValueError:
        first, *rest = written(LINE, "failed", error=True).split("\n")
        told = json.loads(written(JSON, "failed", error=True))
    assert first.endswith("failed")
    assert rest
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert "forged" in told["exception"]
    assert told["message"] == "failed"


def test_what_another_handler_has_made_of_an_error_is_not_taken_over() -> None:
    try:
        raise ValueError("x\nforged")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed", (), sys.exc_info())
        logging.Formatter().format(record)
    assert "\nforged" not in LINE.format(record)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc.def-123", "abc.def-123"),
        ("token salesagg_abcdefghijklmnopqrstuvwxyz012345 is used", "abcdefghijklmnopqrstuvwxyz012345"),
        ("got eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("GET /x?a=1&signature=0badc0de HTTP/1.1", "0badc0de"),
        ("https://s3/b/k?X-Amz-Signature=0badc0de&X-Amz-Date=1", "0badc0de"),
        ("cannot reach redis://:s3cret@redis:6379/0", "s3cret"),
        ("postgres://salesagg:s3cret@db/salesagg failed", "s3cret"),
        ("form {'password': 's3cret', 'a': 1}", "s3cret"),
        ("Internal Server Error: /shared/s3cretlink/table", "s3cretlink"),
        ("Not Found: /api/downloads/s3cret:sig/result.csv", "s3cret"),
        ("/accounts/password/reset/key/3-s3cret/", "s3cret"),
    ],
)
def test_secrets_are_not_written(text: str, secret: str) -> None:
    for formatter in (LINE, JSON):
        line = written(formatter, "%s", text)
        assert secret not in line
        assert logs.HIDDEN in line


def test_a_secret_in_an_error_is_not_written_either() -> None:
    try:
        raise OSError("redis://:s3cret@redis:6379/0 does not answer")
    except OSError:
        assert "s3cret" not in written(LINE, "failed", error=True)
        assert "s3cret" not in written(JSON, "failed", error=True)


def test_a_line_tells_what_it_is_about() -> None:
    with logcontext.about(request="r-1", user=7), logcontext.about(job="j-1"):
        logcontext.note(upload="u-1")
        line, told = written(LINE, "done"), json.loads(written(JSON, "done"))
    assert line.endswith("reports.runner: done [request=r-1 user=7 job=j-1 upload=u-1]")
    assert [told[name] for name in ("request", "user", "job", "upload", "level")] == ["r-1", "7", "j-1", "u-1", "INFO"]
    assert "[" not in written(LINE, "done")


def test_a_thread_is_about_the_same_if_it_is_told_so_and_finds_out_for_all() -> None:
    with logcontext.about(request="r-1"):
        thread = threading.Thread(target=logcontext.carried(lambda: logcontext.note(user=7)))
        thread.start()
        thread.join()
        assert dict(logcontext.current()) == {"request": "r-1", "user": "7"}
    assert not logcontext.is_begun()


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\nb", "ü", "a/b", "<b>"])
def test_an_id_that_is_none_is_replaced(given: str) -> None:
    assert logcontext.accepted(given) not in (given, "")
    assert logcontext.accepted("Trace_1.2-3") == "Trace_1.2-3"


CUT_OFF = """
import asyncio, django
django.setup()
import grpc

async def answer(request, context):
    yield b"an answer"
    await asyncio.Event().wait()

class Service(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_stream_rpc_method_handler(answer)

async def cut_off():
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Service()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_stream("/a/b")(b"")
        await call.read()
        await server.stop(0)
        try:
            await call.read()
        except grpc.aio.AioRpcError:
            print("cut off")

async def main():
    # Only now and then Core has something to say of it.
    for _ in range(30):
        await cut_off()

asyncio.run(main())
"""


def test_grpc_writes_no_lines_of_its_own() -> None:
    env = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    done = subprocess.run([sys.executable, "-c", CUT_OFF], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout == "cut off\n" * 30, done.stderr
    # As "I1123 10:15:53.147593 16299 chttp2_transport.cc:1403] …".
    assert [line for line in done.stderr.splitlines() if re.match(r"[IWEF]\d{4} ", line)] == []
