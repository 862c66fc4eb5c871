"""Texts of allauth that its German translation says too familiarly: named here, so that our translations have them.

Nothing that runs imports this; the catalog of the project goes before those of its libraries.
"""

from django.utils.translation import gettext_noop as _

TEXTS = [
    # Forms
    _("You cannot remove your primary email address."),
    _("Please type your current password."),
    _("You cannot add more than %d email addresses."),
    _("Your primary email address must be verified."),
    _("Be patient, you are sending too many requests."),
    _("You must type the same password each time."),
    # Messages
    _("You cannot remove your primary email address (%(email)s)."),
    _("You have confirmed %(email)s."),
    _("You have signed out."),
    # Mails
    _("Please Confirm Your Email Address"),
    _(
        "You are receiving this email because you or someone else tried to signup for an\n"
        "account using email address:\n\n"
        "%(email)s\n\n"
        "However, an account using that email address already exists.  In case you have\n"
        "forgotten about this, please use the password forgotten procedure to recover\n"
        "your account:\n\n"
        "%(password_reset_url)s"
    ),
    _(
        "You're receiving this email because you or someone else has requested a password reset for your user "
        "account.\n"
        "It can be safely ignored if you did not request a password reset. Click the link below to reset your password."
    ),
    _("Your password has been changed."),
    _("Thank you for using %(site_name)s!\n%(site_domain)s"),
]
