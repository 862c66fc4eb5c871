"""The one error type for what we refuse to do. It lives in the lowest app because every app raises it."""

from collections.abc import Mapping

from django.utils.translation import gettext, gettext_noop

# What can be missing, as the models call it: named here for the translators.
OWNED = [
    *(gettext_noop("job"), gettext_noop("upload"), gettext_noop("API token"), gettext_noop("user session")),
    *(gettext_noop("webhook"), gettext_noop("delivery"), gettext_noop("customer")),
]


class Refusal(Exception):
    """A request that will not be carried out, with what to tell the one who asked.

    `code` is stable and for programs (``offset_mismatch``); `message` is a sentence for people that says what to do;
    `status` is the HTTP status; `headers` go with the answer. Messages never carry data of other people.
    """

    def __init__(self, code: str, message: str, *, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = dict(headers or {})


def not_found(what: str) -> Refusal:
    """For what does not exist and for what belongs to somebody else: the two must look the same."""
    message = gettext("There is no such %(what)s of yours.") % {"what": gettext(what)}
    return Refusal("not_found", message, status=404)


def password_change_required() -> Refusal:
    """For an account whose first password another person chose."""
    message = gettext("Change your first password on the site before you do anything else.")
    return Refusal("password_change_required", message, status=403)
