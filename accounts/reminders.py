"""After a new password: remind the person of API tokens, which it does not end.

A new password ends sessions and JSON Web Tokens, which were got with the old one. API tokens were not, and the person's
programs depend on them. But somebody who knew the old password could have made one, so the person is asked to look.
"""

from typing import Any

from allauth.account import signals
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.translation import ngettext

from accounts import tokens
from accounts.models import User


@receiver([signals.password_changed, signals.password_set, signals.password_reset])
def remind_of_tokens(request: HttpRequest, user: User, **kwargs: Any) -> None:
    count = tokens.valid(user).count()
    if count:
        reminder = ngettext(
            "%(count)s API token of yours is still valid. Revoke it if somebody else may have made it.",
            "%(count)s API tokens of yours are still valid. Revoke those that somebody else may have made.",
            count,
        )
        messages.warning(request, reminder % {"count": count})
