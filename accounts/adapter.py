"""What allauth asks us: how its mails call the site, and where their links lead.

By default both are taken from the request's Host header. Whoever asks for somebody's new password chooses that, where a
site answers to several names, and the mail would lead there with the key. Settings say what the site is called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as current
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import notices, passwords, reauthentication
from accounts.errors import Refusal
from accounts.models import User
from salesagg.core import trusted_request


@dataclass(frozen=True)
class Site:
    """As templates of mails have it."""

    domain: str
    name: str = "Salesagg"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        # Links in the context begin with SITE_URL already, see `salesagg.core.trusted_request.SiteUrlMiddleware`.
        site = Site(urlsplit(settings.SITE_URL).netloc)
        super().send_mail(template_prefix, email, {**context, "current_site": site})

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse a password that nobody can have before it is hashed or counted as a guess."""
        passwords.MaximumLengthValidator().validate(credentials.get("password", ""))
        super().pre_authenticate(request, **credentials)

    def set_password(self, user: User, password: str) -> None:
        """Store a new password if the old one is still what this request was checked against.

        A link for a new password is good until the password changes, as is the old password of the form. Two requests
        at once would both be checked before either has changed it, and the last one would count.
        """
        with transaction.atomic():
            if not User.objects.select_for_update().filter(pk=user.pk, password=user.password).exists():
                message = _("The password was changed a moment ago by another request. Log in with that one.")
                raise Refusal("password_changed", message, status=409)
            super().set_password(user, password)

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Refuse the second of two sign-ups with one address that were both checked before either was stored."""
        try:
            with transaction.atomic():
                saved: User = super().save_user(request, user, form, commit)
                return saved
        except IntegrityError:
            message = _("Somebody has signed up with this address a moment ago. Log in, or ask for a new password.")
            raise Refusal("email_taken", message, status=409) from None

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: Mapping[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Notices of allauth are sent as ours are. About a changed or removed address that address gets one too."""
        details = context or {}
        others = (email, details.get("to_email"), details.get("deleted_email"))
        notices.mail(user, template_prefix, details, filter(None, others))

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """The pages of allauth have the rule of ours: a login counts as recent too."""
        return not reauthentication.is_recent(current.request)

    def is_open_for_signup(self, request: Any) -> bool:
        return bool(settings.REGISTRATION_OPEN)

    def get_client_ip(self, request: HttpRequest) -> str:
        ip = trusted_request.client_ip(request)
        if not ip:
            raise PermissionDenied("The IP address of the client is not known.")
        return ip
