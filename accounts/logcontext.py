"""What the lines of the log are about: the request, the person, the job. Kept beside the code that runs, so that
whoever writes a line need not know.

A request's or a job's facts are in one dictionary, which threads and tasks begun meanwhile share: what one of them
finds out, such as whose token it is, the others' lines tell too. It lives in the lowest app because every app writes
lines.
"""

import contextvars
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

# What a request may call itself: nothing that could be taken for something else in a log or a header.
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
# HTTP's header, and gRPC's metadata.
HEADER = "X-Request-ID"

_about: contextvars.ContextVar[dict[str, str]] = contextvars.ContextVar("about")
# Of the whole process, such as the worker that it is.
_always: dict[str, str] = {}


@contextmanager
def about(**facts: object) -> Iterator[None]:
    """Lines written inside are about these facts too."""
    token = _about.set({**_about.get({}), **_told(facts)})
    try:
        yield
    finally:
        _about.reset(token)


def note(**facts: object) -> None:
    """What has been found out about what is going on; nothing where nobody said what that is."""
    found = _about.get(None)
    if found is not None:
        found.update(_told(facts))


def always(**facts: object) -> None:
    """True of every line of this process, and of those that it forks."""
    _always.update(_told(facts))


def current() -> Mapping[str, str]:
    return {**_always, **_about.get({})}


def is_begun() -> bool:
    """Whether somebody has said what is going on."""
    return _about.get(None) is not None


def request_id() -> str:
    """That of the request that is being served, or that asked for what is being done; else nothing."""
    return _about.get({}).get("request", "")


def accepted(given: str | None) -> str:
    """The id that a request came with, if it is one; else a new one."""
    return given if given and _WELL_FORMED.fullmatch(given) else uuid.uuid4().hex


def carried(function: Callable[[], None]) -> Callable[[], None]:
    """`function` for a thread of its own, where lines are about the same as here."""
    context = contextvars.copy_context()
    return lambda: context.run(function)


def _told(facts: Mapping[str, object]) -> dict[str, str]:
    return {name: str(fact) for name, fact in facts.items() if fact not in (None, "")}
