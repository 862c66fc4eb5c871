"""How long a password may be. Django hashes one of any length, and so works on megabytes that nobody types."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

MAX_LENGTH = 1000


def is_too_long(password: str | None) -> bool:
    return len(password or "") > MAX_LENGTH


class MaximumLengthValidator:
    """For AUTH_PASSWORD_VALIDATORS: new passwords, by any form or command."""

    def validate(self, password: str, user: object = None) -> None:
        if is_too_long(password):
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        return _("A password has at most %(count)s characters.") % {"count": MAX_LENGTH}
