"""What came of a split, as bytes for the database: a line of JSON, the state, lengths and lines of rejected rows."""

import json
import struct

from reports.pipelines import Context, FoldedWindow


def encode(window: FoldedWindow) -> bytes:
    head = {
        "consumed": window.consumed,
        "rows": window.rows,
        "bad_rows": window.bad_rows,
        "context": window.context,
        "state": len(window.state),
        "rejected": len(window.rejected),
    }
    lengths = struct.pack(f"<{len(window.rejected)}I", *map(len, window.rejected))
    return b"".join([json.dumps(head).encode(), b"\n", window.state, lengths, *window.rejected])


def decode(folded: bytes) -> FoldedWindow:
    line, _, body = folded.partition(b"\n")
    head = json.loads(line)
    state: int = head["state"]
    lengths = struct.unpack_from(f"<{head['rejected']}I", body, state)
    rejected, position = [], state + 4 * len(lengths)
    for length in lengths:
        rejected.append(body[position : position + length])
        position += length
    context: Context = head["context"]
    return FoldedWindow(head["consumed"], head["rows"], head["bad_rows"], body[:state], context, rejected)
