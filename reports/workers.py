"""Worker processes: what they are called, and which of them are alive."""

import os
import socket


def name() -> str:
    """This process, as operators know it: its host and its number there."""
    return f"{socket.gethostname()}:{os.getpid()}"
