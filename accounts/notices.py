"""Notices: an email about each change of the ways into an account, so that the owner learns of one by somebody else.

They go to the address on file, and about a changed address to the former one too. A mail that cannot be sent is
logged and undoes nothing: the change is in the activity log all the same.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.core import context as current
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from accounts import browsers
from accounts.acts import Act
from accounts.models import User
from salesagg.core import trusted_request
from salesagg.core.trusted_request import site_url

logger = logging.getLogger(__name__)

# What happened, in a sentence. The subject is the label of the act.
_SENTENCES = {
    Act.TOKEN_MADE: _("The API token “%(name)s” was created. A program that has it can use your account."),
    Act.TOKEN_REVOKED: _("The API token “%(name)s” was revoked. Programs that use it are refused."),
    Act.WEBHOOK_MADE: _("A webhook was created. Its receiver gets a message about each of your jobs."),
    Act.WEBHOOK_SECRET_SHOWN: _("The secret of a webhook was shown."),
    Act.WEBHOOK_SECRET_RENEWED: _("The secret of a webhook was renewed. The receiver needs the new one."),
    Act.EMAIL_ADDED: _("The email address %(email)s was added to your account."),
    Act.SECOND_FACTOR_REMOVED: _("An operator removed your second factor. Your password alone opens the account."),
    Act.RECOVERY_CODE_USED: _("A recovery code was used in place of your second factor. %(left)s codes are left."),
    Act.ACCOUNT_LOCKED: _("An operator locked your account. Nobody can log in to it."),
}


def send(user: User, act: Act, **details: Any) -> None:
    """Tell `user` about `act` once the transaction is committed."""
    words = {key: _harmless(str(value)) if key == "name" else value for key, value in details.items()}
    context = {"act": act.label, "sentence": _SENTENCES[act], "details": words}
    mail(user, "accounts/mail/notice", context)


def mail(user: User, template: str, context: Mapping[str, Any], addresses: Iterable[str] = ()) -> None:
    """Send the mail `template` about a change to the address on file, and to `addresses`, after the commit."""
    to = dict.fromkeys([user.email, *addresses])
    described = {**_circumstances(user), **context}
    transaction.on_commit(partial(_send, template, list(to), described, user.language), robust=True)


def _send(template: str, to: list[str], context: dict[str, Any], language: str) -> None:
    with translation.override(language or translation.get_language()):
        if "sentence" in context:
            context = {**context, "sentence": str(context["sentence"]) % context["details"]}
        for address in to:
            try:
                get_adapter().render_mail(template, address, context).send()
            except Exception:
                logger.exception("a notice about account security could not be sent")


def _circumstances(user: User) -> dict[str, Any]:
    """When, from where and with which browser. A command has no request, and an operator's address is not shown."""
    request = current.request
    shown = request is not None and request.user in (user, AnonymousUser())
    return {
        "timestamp": timezone.now(),
        "ip": trusted_request.client_ip(request) if shown else "",
        "user_agent": browsers.name_of(request.headers.get("User-Agent", "")) if shown else "",
        "current_site": {"name": "Salesagg", "domain": urlsplit(settings.SITE_URL).netloc},
        "activity_url": site_url(reverse("account_activity")),
        "password_url": site_url(reverse("account_change_password")),
        "reset_url": site_url(reverse("account_reset_password")),
    }


def _harmless(name: str) -> str:
    """A name without what a mail program makes a link of: a thief chooses the names of tokens."""
    return " ".join(re.sub(r"[^\w \-]", " ", name).split())
