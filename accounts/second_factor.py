"""The second factor: what allauth.mfa asks us, and what we do with its rows besides.

The keys of authenticator apps and the seeds of recovery codes are encrypted with keys made from SECRET_KEY, so that a
stolen database alone gives no codes. With a new SECRET_KEY the earlier one belongs in SECRET_KEY_FALLBACKS until
`manage.py reencrypt_second_factors` has run. Passkeys are public keys and need no encryption.
"""

import base64
import hashlib
import logging
from typing import Any
from urllib.parse import urlsplit

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit, notices
from accounts.acts import Act
from accounts.errors import Refusal
from accounts.models import User

logger = logging.getLogger(__name__)

# Where the encrypted texts stand in the data of an authenticator.
_SECRETS = ("secret", "seed")


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    def encrypt(self, text: str) -> str:
        return _keys().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return _keys().decrypt(encrypted_text.encode()).decode()
        except InvalidToken as error:
            logger.error("a second factor cannot be decrypted: SECRET_KEY was changed without SECRET_KEY_FALLBACKS")
            message = _("Your second factor cannot be read. Ask the operator of this site to remove it.")
            raise Refusal("second_factor_unreadable", message, status=403) from error

    def _get_site_name(self) -> str:
        """The name of the site in apps and browsers; allauth would take the request's host."""
        return f"Salesagg ({urlsplit(settings.SITE_URL).hostname})"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Passkeys are bound to the host of SITE_URL, whatever host the request names."""
        return {"id": urlsplit(settings.SITE_URL).hostname or "", "name": self._get_site_name()}

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002  (as allauth calls it)
        count = Authenticator.objects.filter(user=user, type=type).count()
        return _("Passkey %(number)s") % {"number": count + 1} if count else _("Passkey")


def of(user: User) -> list[Authenticator]:
    """The second factors of `user`, the oldest first."""
    return list(Authenticator.objects.filter(user=user).order_by("pk"))


def exported(user: User) -> list[dict[str, Any]]:
    """The second factors for an export: never a key, a code or a seed."""
    return [
        {"type": each.type, "name": label(each), "created_at": each.created_at, "last_used_at": each.last_used_at}
        for each in of(user)
    ]


def label(authenticator: Authenticator) -> str:
    """The name of a passkey, or the kind of what has no name."""
    if authenticator.type == Authenticator.Type.WEBAUTHN:
        return str(authenticator.data.get("name", ""))
    return str(authenticator.get_type_display())


def remove_all(user: User) -> int:
    """Remove every second factor of a person who lost them, with an audit entry and a notice; return how many."""
    with transaction.atomic():
        # The row is locked so that two operators who do this at once make one entry.
        found = list(Authenticator.objects.select_for_update().filter(user=user))
        if found:
            Authenticator.objects.filter(pk__in=[each.pk for each in found]).delete()
            audit.record(Act.SECOND_FACTOR_REMOVED, account=user, label=", ".join(map(label, found)))
            notices.send(user, Act.SECOND_FACTOR_REMOVED)
    return len(found)


def reencrypt_all() -> int:
    """Encrypt every stored secret with the present SECRET_KEY; return how many rows had any."""
    count = 0
    for pk in Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).values_list("pk", flat=True):
        count += _reencrypt(pk)
    return count


def _reencrypt(pk: int) -> bool:
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(pk=pk).first()
        names = [name for name in _SECRETS if row is not None and name in row.data]
        for name in names:
            row.data[name] = _keys().rotate(row.data[name].encode()).decode()
        if names:
            row.save(update_fields=["data"])
    return bool(names)


def _keys() -> MultiFernet:
    """The key of SECRET_KEY, which encrypts, and those of its predecessors, which can only decrypt."""
    return MultiFernet([_key(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _key(secret: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"second factors {secret}".encode()).digest()))
