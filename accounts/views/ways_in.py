"""Pages of allauth that ask who is there before their form is filled in; allauth asks when it is sent."""

from allauth.account import views
from allauth.account.internal.flows.manage_email import sync_user_email_address
from allauth.account.models import EmailAddress
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase

from accounts import reauthentication
from accounts.access import require_user
from accounts.models import User

password_change = login_required(reauthentication.required()(views.password_change))


@login_required
@reauthentication.required()
def email(request: HttpRequest) -> HttpResponseBase:
    _mark_primary(require_user(request))
    response: HttpResponseBase = views.email(request)
    return response


def _mark_primary(user: User) -> None:
    """Mark the login as the primary address where nothing is, as for accounts that operators made.

    Otherwise allauth changes it and tells the former address nothing.
    """
    sync_user_email_address(user)
    addresses = EmailAddress.objects.filter(user=user)
    if not addresses.filter(primary=True).exists():
        addresses.filter(email__iexact=user.email).update(primary=True)
