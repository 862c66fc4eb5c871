"""The forms of the account's pages."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import AddEmailForm as AllauthAddEmailForm
from allauth.account.utils import filter_users_by_email
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm as AllauthActivateTOTPForm
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import tokens
from accounts.models import ApiToken, User


class ProfileForm(forms.ModelForm[User]):
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=[("", gettext_lazy("As my browser asks")), *settings.LANGUAGES],
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
        help_text=gettext_lazy("Of these pages and of the mails we send you."),
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "language", "email_when_done")
        labels = {
            "first_name": gettext_lazy("First name"),
            "last_name": gettext_lazy("Last name"),
            "email_when_done": gettext_lazy("Mail me when a report is done while I am away"),
        }
        help_texts = {
            "email_when_done": gettext_lazy("Also when a job has failed. Away means that no page of ours is open."),
        }
        widgets = {
            "first_name": forms.TextInput(attrs={"autocomplete": "given-name"}),
            "last_name": forms.TextInput(attrs={"autocomplete": "family-name"}),
        }


class TokenForm(forms.ModelForm[ApiToken]):
    """What a new token is for, what it may be used for, and for how long."""

    scopes = forms.ChoiceField(
        label=gettext_lazy("Permissions"),
        choices=[
            (ApiToken.Scopes.WRITE, gettext_lazy("Read and write")),
            (ApiToken.Scopes.READ, gettext_lazy("Read only")),
        ],
        initial=ApiToken.Scopes.WRITE,
        widget=forms.Select(attrs={"class": "form-select"}),
        help_text=gettext_lazy("A program that only looks at reports need not be able to upload or delete."),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("Expires"),
        choices=[
            (7, gettext_lazy("in 7 days")),
            (30, gettext_lazy("in 30 days")),
            (90, gettext_lazy("in 90 days")),
            (365, gettext_lazy("in a year")),
            ("", gettext_lazy("never")),
        ],
        initial=90,
        coerce=int,
        empty_value=None,
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
        help_text=gettext_lazy("A token that somebody finds later is then worth nothing. Make a new one in time."),
    )

    class Meta:
        model = ApiToken
        fields = ("name",)
        labels = {"name": gettext_lazy("Name")}
        help_texts = {"name": gettext_lazy("What the token is for, such as “nightly import”.")}
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_name(self) -> str:
        # So that people know which one to revoke; and a page that is sent twice makes no second token.
        name: str = self.cleaned_data["name"]
        if tokens.valid(self.user).filter(name=name).exists():
            raise forms.ValidationError(tokens.name_taken())
        return name


class AddEmailForm(AllauthAddEmailForm):  # type: ignore[misc]
    """allauth takes any address until it is confirmed; ours is a login, which only one account can have."""

    def clean_email(self) -> str:
        email: str = super().clean_email()
        if filter_users_by_email(email):
            raise get_adapter().validation_error("email_taken")
        return email


class DeletionForm(forms.Form):
    """Asks for the email address. Who asks has been confirmed before (`accounts.reauthentication`)."""

    email = forms.EmailField(
        label=gettext_lazy("Your e-mail address"),
        help_text=gettext_lazy("To show that you mean it."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email.lower() != self.user.email.lower():
            raise forms.ValidationError(_("This is not the address of your account."))
        return email


# Phones show the code of an app or mail above the keyboard, and a numeric keyboard where they can.
_CODE = {"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True, "spellcheck": "false"}


class _CodeMixin(forms.Form):
    """A field for a code, ready to be typed in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["code"]
        field.label = gettext_lazy("Code")
        field.widget = forms.TextInput(attrs=_CODE)


class ActivateTOTPForm(_CodeMixin, AllauthActivateTOTPForm):  # type: ignore[misc]
    def clean_code(self) -> str:
        code: str = super().clean_code()
        # allauth would accept this very code once more at a login in the same minute.
        TOTP(Authenticator(user=self.user))._mark_code_used(code)
        return code


class CodeForm(_CodeMixin, AuthenticateForm):  # type: ignore[misc]
    """Takes the code of an app or a recovery code."""


class ReauthenticateCodeForm(_CodeMixin, ReauthenticateForm):  # type: ignore[misc]
    """Takes the same for a person who is logged in."""


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name, passwordless = self.fields["name"], self.fields["passwordless"]
        name.label = gettext_lazy("Name")
        name.help_text = gettext_lazy("Such as “my phone”, to tell it from others.")
        name.widget.attrs["autocomplete"] = "off"
        name.validators.append(MaxLengthValidator(100))
        passwordless.label = gettext_lazy("Log in with it alone, without a password")
        passwordless.help_text = gettext_lazy(
            "The device asks for a fingerprint, face or PIN. A simple security key may not be able to."
        )
        passwordless.initial = True
