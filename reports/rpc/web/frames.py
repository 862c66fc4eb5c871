"""The bodies of gRPC-Web: messages, each behind a byte of flags and its length, and in answers a last frame with what
gRPC sends in trailers. In text mode all of it in base64."""

import base64
import binascii
import struct
from collections import deque
from collections.abc import Iterable
from urllib.parse import quote

from django.utils.translation import gettext as _

from accounts.errors import Refusal

_PREFIX = struct.Struct(">BI")
_MESSAGE, _COMPRESSED, _TRAILERS = 0x00, 0x01, 0x80
# Clients send one message. A body of millions of empty ones would keep the process busy for seconds.
MOST_MESSAGES = 1000
# Of a status message: what may stand there as it is, besides letters, digits and -._~; the percent sign may not.
_PLAIN = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}"


def messages(body: bytes | bytearray) -> deque[bytes]:
    """The messages of a request. Raises `Refusal` (400, 501)."""
    found: deque[bytes] = deque()
    view = memoryview(body)
    while view:
        if len(view) < _PREFIX.size:
            raise malformed(_("The body ends within a frame."))
        flags, size = _PREFIX.unpack_from(view)
        if flags == _COMPRESSED:
            message = _("Compressed messages are not accepted. Send them as they are.")
            raise Refusal("message_compressed", message, status=501)
        if flags != _MESSAGE:
            raise malformed(_("The body has a frame that is not a message."))
        if len(view) - _PREFIX.size < size:
            raise malformed(_("The body ends within a frame."))
        if len(found) == MOST_MESSAGES:
            raise malformed(_("The body has too many messages."))
        found.append(bytes(view[_PREFIX.size : _PREFIX.size + size]))
        view = view[_PREFIX.size + size :]
    if not found:
        raise malformed(_("The body has no message."))
    return found


def decoded(text: bytes | bytearray) -> bytes:
    """What stands in the body of a request in text mode: base64, perhaps of several pieces, each padded by itself.
    Raises `Refusal` (400)."""
    pieces: list[bytes] = []
    start = 0
    try:
        while start < len(text):
            if len(pieces) == MOST_MESSAGES:
                raise malformed(_("The body has too many messages."))
            end = _end_of_piece(text, start)
            pieces.append(base64.b64decode(memoryview(text)[start:end], validate=True))
            start = end
    except binascii.Error:
        raise malformed(_("The body is not base64.")) from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _end_of_piece(text: bytes | bytearray, start: int) -> int:
    """Where the padding of the piece from `start` on ends, or else the text."""
    padding = text.find(b"=", start)
    if padding < 0:
        return len(text)
    return padding + 2 if text[padding + 1 : padding + 2] == b"=" else padding + 1


def message(data: bytes) -> bytes:
    return _PREFIX.pack(_MESSAGE, len(data)) + data


def trailers(code: int, details: str, pairs: Iterable[tuple[str, str]]) -> bytes:
    """The last frame of an answer, which says how the call has ended."""
    lines = [("grpc-status", str(code)), ("grpc-message", quote(details, safe=_PLAIN)), *pairs]
    block = "".join(f"{name}:{value}\r\n" for name, value in lines if value or name != "grpc-message")
    return _PREFIX.pack(_TRAILERS, len(block)) + block.encode("ascii")


def malformed(message: str) -> Refusal:
    """For a call that is not what gRPC-Web says it has to be."""
    return Refusal("malformed_call", message, status=400)
