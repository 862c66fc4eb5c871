"""How a command can end, as the exit codes tell it."""

import json
from typing import Any

DONE, FAILED, USAGE, NOT_ALLOWED, REFUSED, UNREACHABLE, REJECTED_ROWS, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130


class ClientError(Exception):
    """The command ends, with this exit code, and the message for people."""

    exit_code = FAILED


class Unusable(ClientError):
    """Something here, on this machine: a file that cannot be read or written."""

    exit_code = USAGE


class Refused(ClientError):
    """The server has answered, and will not do it. `status` is HTTP's, `code` the server's own, if it told one."""

    exit_code = REFUSED

    def __init__(self, message: str, *, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class NotAllowed(Refused):
    """The token is not valid, or may not do this."""

    exit_code = NOT_ALLOWED


class Unreachable(ClientError):
    """No answer, or none of sense."""

    exit_code = UNREACHABLE


# Answers after which the same request may succeed later: too many requests, damaged on its way, trouble of the server.
PASSING = (408, 409, 423, 425, 429, 460)


def refused(status: int, body: bytes | None) -> ClientError:
    """What an answer that is none of success means."""
    problem = _problem(body)
    detail = str(problem.get("detail") or f"The server answers with status {status}.")
    if status in (401, 403):
        return NotAllowed(detail, status=status, code=str(problem.get("code", "")))
    return Refused(detail, status=status, code=str(problem.get("code", "")))


def may_pass(error: ClientError) -> bool:
    """Whether it is worth trying again."""
    if isinstance(error, Refused):
        return error.status in PASSING or error.status >= 500
    return isinstance(error, Unreachable)


def _problem(body: bytes | None) -> dict[str, Any]:
    try:
        problem = json.loads(body or b"")
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
