"""How the lines of the log are written: for people who read a console, or as JSON for what collects logs.

Whatever a line says, it is one line and cannot pass for another: what clients send (a path, a file's name) may end up
in a message, and a line feed or an escape sequence in it must not. Nor are secrets written, wherever they come from.
"""

import logging
import re
import traceback
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from accounts import logcontext

# Control characters, what ends a line elsewhere than here, what turns the direction of text, and halves of characters.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
HIDDEN = "***"
# What an Authorization header says, API tokens and JSON Web Tokens, what stands after a name that says "secret", the
# parts of our addresses that let whoever knows them in, and the passwords in addresses of services.
_SECRETS = [
    re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]+"),
    re.compile(r"(\bsalesagg_)[\w-]{20,}"),
    re.compile(r"(\beyJ)[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(r"(?i)([?&;\s'\"](?:x-amz-(?:signature|credential|security-token)|signature|token|password|passwd|secret"
               r"|secret_key|access_token|api_key)['\"]?\s?[=:]\s?['\"]?)[^\s&;'\",}]+"),
    re.compile(r"((?:/shared|/downloads|/reset/key|/confirm-email)/)[^/\s?]+"),
    re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)"),
]  # fmt: skip


def one_line(text: str) -> str:
    """`text` with all that is not to be seen written as an escape sequence."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def without_secrets(text: str) -> str:
    for pattern in _SECRETS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


class ContextFilter(logging.Filter):
    """Puts what a line is about into its record: request, user, job, upload, worker."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.about = dict(logcontext.current())
        return True


class LineFormatter(logging.Formatter):
    """``time LEVEL logger: message [request=… job=…]``; what follows of an error is indented, and so no other line."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")

    def format(self, record: logging.LogRecord) -> str:
        # What another handler's formatter has made of the error, and left for all, is not safe.
        record.exc_text = None
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        about = " ".join(f"{name}={fact}" for name, fact in getattr(record, "about", {}).items())
        return one_line(without_secrets(super().formatMessage(record)) + (f" [{about}]" if about else ""))

    def formatException(self, ei: Any) -> str:  # noqa: N802  (logging's name)
        lines = without_secrets(super().formatException(ei)).split("\n")
        return "\n".join(f"    {one_line(line)}" for line in lines)

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  (logging's name)
        return "\n".join(f"    {one_line(line)}" for line in stack_info.split("\n"))


class LinesOfJson(JsonFormatter):
    """An object a line; what a line is about stands in it under names of its own."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        log_data.pop("about", None)
        facts = {"time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")}
        facts |= {"level": record.levelname, "logger": record.name, "process": str(record.process)}
        log_data.update(facts | getattr(record, "about", {}))
        if record.exc_info:
            log_data["exception"] = "".join(traceback.format_exception(*record.exc_info))
            log_data.pop("exc_info", None)
        for name, value in log_data.items():
            if isinstance(value, str):
                log_data[name] = without_secrets(value)


def configuration(*, form: str, level: str, app_level: str) -> dict[str, Any]:
    """Django's ``LOGGING``. `form` is ``line`` or ``json``."""
    formatter = LinesOfJson if form == "json" else LineFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"context": {"()": ContextFilter}},
        "formatters": {"chosen": {"()": formatter}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "chosen", "filters": ["context"]}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            **{app: {"level": app_level} for app in ("salesagg", "accounts", "uploads", "reports")},
            # Django's own would write errors to the console once more.
            "django": {"handlers": [], "propagate": True},
            # What was refused is told by the line of its request.
            "django.request": {"level": "ERROR"},
            # Each line of theirs is one of ours already, or says what nobody can change.
            **{
                name: {"level": "WARNING"}
                for name in ("grpc", "django.channels.server", "asyncio", "botocore", "boto3")
            },
        },
    }
