"""One's own data: taken home, or deleted with the account."""

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import deletion, holdings, reauthentication, tokens
from accounts.access import require_user
from accounts.export import download
from accounts.forms import DeletionForm
from accounts.holdings import Loss
from accounts.models import User


@require_safe
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/data.html")


@require_POST
@login_required
@reauthentication.required(back="account_data")
def export(request: HttpRequest) -> HttpResponseBase:
    """The export. By POST, though it changes nothing: it is work that no other site's link should cause."""
    return download(require_user(request))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication.required()
def delete(request: HttpRequest) -> HttpResponseBase:
    """Say what will be lost and ask for the email address; then close the account and delete everything."""
    user = require_user(request)
    form = DeletionForm(request.POST if request.method == "POST" else None, user=user)
    if not form.is_valid():
        return render(request, "accounts/delete.html", {"form": form, "losses": _losses(user)})
    finished = deletion.delete(user)
    logout(request)
    if finished:
        messages.success(request, _("Your account and everything in it have been deleted."))
    else:
        messages.success(request, _("Your account is closed. The rest of your data will be deleted within minutes."))
    return redirect("account_login")


def _losses(user: User) -> list[Loss]:
    valid = tokens.valid(user).count()
    own = [Loss(_("Valid API tokens: programs that use them will be refused"), valid)] if valid else []
    return [*holdings.losses(user), *own]
