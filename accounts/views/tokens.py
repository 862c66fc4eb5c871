"""API tokens: made, listed, revoked."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import reauthentication, tokens
from accounts.access import require_user
from accounts.errors import Refusal
from accounts.forms import TokenForm
from accounts.models import ApiToken, User
from accounts.ownership import load_owned
from salesagg.core.trusted_request import site_url

# Tokens that are no longer valid are shown for a while, then only counted among the past.
ENDED_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
@reauthentication.required()
def overview(request: HttpRequest) -> HttpResponse:
    """The tokens, and a new one after it was asked for: it is in this one answer and is kept nowhere."""
    user = require_user(request)
    form = TokenForm(request.POST if request.method == "POST" else None, user=user)
    if not form.is_valid():
        return _page(request, user, form)
    asked = form.cleaned_data
    try:
        token = tokens.issue(user, name=asked["name"], scopes=asked["scopes"], days=asked["days"], new_name=True)
    except Refusal as refusal:
        form.add_error(None, refusal.message)
        return _page(request, user, form, status=refusal.status)
    return _page(request, user, TokenForm(user=user), token=token, name=asked["name"])


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication.required()
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then make the token useless."""
    token = load_owned(ApiToken.objects.all(), owner=require_user(request), by="user", pk=pk)
    if request.method != "POST":
        return render(request, "accounts/revoke_token.html", {"token": token})
    tokens.revoke(token)
    messages.success(request, _("The token “%(name)s” has been revoked.") % {"name": token.name})
    return redirect("account_tokens")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def revoke_all(request: HttpRequest) -> HttpResponse:
    """Ask, then make all tokens useless."""
    user = require_user(request)
    if request.method != "POST":
        return render(request, "accounts/revoke_tokens.html", {"count": tokens.valid(user).count()})
    count = tokens.revoke_all(user)
    told = ngettext("%(count)s token has been revoked.", "%(count)s tokens have been revoked.", count)
    messages.success(request, told % {"count": count})
    return redirect("account_tokens")


def _page(
    request: HttpRequest, user: User, form: TokenForm, *, token: str = "", name: str = "", status: int = 200
) -> HttpResponse:
    valid = list(tokens.valid(user).order_by("-created_at"))
    context = {
        "form": form,
        "token": token,
        "name": name,
        "tokens": [*valid, *tokens.ended(user)[:ENDED_SHOWN]],
        "valid": len(valid),
        "full": len(valid) >= tokens.MAX_VALID,
        "api_url": site_url("/api/"),
        "uploads_url": site_url("/uploads/"),
    }
    return render(request, "accounts/tokens.html", context, status=status)
