"""The profile: who one is, in which language, and how much one stores."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts import holdings
from accounts.access import require_user
from accounts.forms import ProfileForm
from accounts.models import User


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    user = require_user(request)
    form = ProfileForm(request.POST if request.method == "POST" else None, instance=user)
    if form.is_valid():
        # These columns alone: the rest of the row may have changed since it was read.
        User.objects.filter(pk=user.pk).update(**form.cleaned_data)
        # In the language that the next page will have.
        with translation.override(form.cleaned_data["language"] or translation.get_language_from_request(request)):
            messages.success(request, _("Your profile has been saved."))
        return redirect("account")
    context = {"form": form, "used": holdings.usage(user), "quota": settings.QUOTA_BYTES}
    return render(request, "accounts/profile.html", context)
