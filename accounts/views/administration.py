"""The administration uses the login and the password page of everybody else.

Django's own login in the admin asks for no second factor and has no rate limit. Failure story: a person with a staff
account sent a superuser's email address and password to /admin/login/ and was logged in without the second factor.
"""

from allauth.account.utils import get_next_redirect_url
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache

from accounts.models import User


@never_cache
def login(request: HttpRequest, extra_context: object = None) -> HttpResponseBase:
    """Redirect a visitor to the login and staff to the administration; refuse everybody else."""
    target = get_next_redirect_url(request) or reverse("admin:index")
    if not isinstance(request.user, User):
        return redirect_to_login(target)
    if not (request.user.is_staff and request.user.is_active):
        raise PermissionDenied
    return redirect(target)


def password_change(request: HttpRequest, extra_context: object = None) -> HttpResponseBase:
    return redirect("account_change_password")
