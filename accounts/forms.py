"""The forms of the account's pages."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import AddEmailForm as AllauthAddEmailForm
from allauth.account.utils import filter_users_by_email
from django import forms
from django.conf import settings
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
    """Asks for the password again, or, of who has none, for the e-mail address."""

    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    email = forms.EmailField(
        label=gettext_lazy("Your e-mail address"),
        help_text=gettext_lazy("To show that you mean it."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        del self.fields["email" if user.has_usable_password() else "password"]

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        # Through allauth, which slows down who guesses.
        if not get_adapter().reauthenticate(self.user, password):
            raise forms.ValidationError(_("This is not your password."))
        return password

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email.lower() != self.user.email.lower():
            raise forms.ValidationError(_("This is not the address of your account."))
        return email
