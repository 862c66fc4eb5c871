"""Webhooks on the account's pages: made, looked at with their log, tested, switched off, deleted."""

import json
import time
import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import reauthentication
from accounts.access import require_user
from accounts.api.paging import Paging, page_of
from accounts.errors import Refusal
from accounts.ownership import load_owned
from reports.models import Delivery, Webhook
from reports.webhooks import addresses, management, words

PER_PAGE = 20
# Where the session keeps which secret was shown last and when, so that a reloaded page sends no second notice.
_SHOWN = "webhook_secret_shown"
_QUIET_SECONDS = 60


class WebhookForm(forms.Form):
    # Only `addresses.check` says what an address is: Django's own field would judge it, and mend it, by other rules.
    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=addresses.MAX_LENGTH,
        help_text=gettext_lazy("Such as https://example.org/salesagg. It is told when a job of yours has ended."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url", "spellcheck": "false"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
@reauthentication.required()
def overview(request: HttpRequest) -> HttpResponse:
    """The webhooks, and the form for another."""
    user = require_user(request)
    form = WebhookForm(request.POST if request.method == "POST" else None)
    status = 200
    if form.is_valid():
        try:
            addresses.check(form.cleaned_data["url"])
            made = management.create(user, form.cleaned_data["url"])
        except Refusal as refusal:
            form.add_error("url" if refusal.status == 400 else None, refusal.message)
            status = 200 if refusal.status == 400 else refusal.status
        else:
            _mark_shown(request, made)
            messages.success(request, _("The webhook is ready. Copy its secret to the receiver, then send a test."))
            return redirect(made.get_absolute_url() + "?secret=shown")
    webhooks = [
        {"webhook": webhook, "last": webhook.deliveries.exclude(attempted_at=None).first()}
        for webhook in user.webhooks.all()
    ]
    full = len(webhooks) >= management.MAX_WEBHOOKS
    return render(request, "reports/webhooks.html", {"form": form, "webhooks": webhooks, "full": full}, status=status)


@require_safe
@never_cache
@login_required
def webhook(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """One webhook with its log, and with its secret if ``?secret=`` asks for it."""
    found = _load(request, pk)
    rotating = len(management.valid_secrets(found)) > 1
    show_secret = "secret" in request.GET
    if show_secret and not reauthentication.is_recent(request):
        return reauthentication.ask(request)
    if show_secret and not _was_just_shown(request, found):
        management.note_secret_shown(found)
        _mark_shown(request, found)
    context = {"webhook": found, "show_secret": show_secret, "rotating": rotating, **_log(request, found)}
    return render(request, "reports/webhook.html", context)


@require_safe
@never_cache
@login_required
def log(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The log alone, for the page's script, while something is on its way."""
    found = _load(request, pk)
    return render(request, "reports/_webhook_log.html", {"webhook": found, **_log(request, found)})


@require_POST
@login_required
def send_test(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    found = _load(request, pk)
    management.send_test(found)
    messages.success(request, _("A test is on its way."))
    return redirect(found)


@require_POST
@login_required
def switch(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    found = _load(request, pk)
    management.switch(found, on=request.POST.get("on") == "yes")
    messages.success(
        request, _("The webhook is switched off.") if found.disabled_at else _("The webhook is switched on.")
    )
    return redirect(found)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication.required()
def renew_secret(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask, then sign with a new secret: beside the present one for a while, or in its place."""
    found = _load(request, pk)
    if request.method != "POST":
        hours = int(management.ROTATION.total_seconds() // 3600)
        return render(request, "reports/webhook_secret.html", {"webhook": found, "hours": hours})
    if request.POST.get("how") == "replace":
        management.renew_secret(found)
    else:
        management.rotate_secret(found)
    _mark_shown(request, found)
    messages.success(request, _("The webhook has a new secret. Copy it to the receiver."))
    return redirect(found.get_absolute_url() + "?secret=shown")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask, then delete the webhook with its log."""
    found = _load(request, pk)
    if request.method != "POST":
        return render(request, "reports/webhook_delete.html", {"webhook": found})
    management.remove(found)
    messages.success(request, _("The webhook has been deleted."))
    return redirect("webhooks")


@require_POST
@login_required
def send_again(request: HttpRequest, pk: uuid.UUID, delivery: uuid.UUID) -> HttpResponse:
    user = require_user(request)
    deliveries = Delivery.objects.select_related("webhook")
    found = load_owned(deliveries, owner=user, by="webhook__owner", webhook=pk, pk=delivery)
    management.send_again(found)
    messages.success(request, _("The message is on its way again."))
    return redirect(found.webhook)


def _mark_shown(request: HttpRequest, webhook: Webhook) -> None:
    request.session[_SHOWN] = [str(webhook.pk), time.time()]


def _was_just_shown(request: HttpRequest, webhook: Webhook) -> bool:
    pk, at = request.session.get(_SHOWN, ["", 0.0])
    return bool(pk == str(webhook.pk) and time.time() - at < _QUIET_SECONDS)


def _load(request: HttpRequest, pk: uuid.UUID) -> Webhook:
    return load_owned(Webhook.objects.all(), owner=require_user(request), pk=pk)


def _log(request: HttpRequest, webhook: Webhook) -> dict[str, Any]:
    cursor = request.GET.get("cursor", "")
    deliveries, following = page_of(webhook.deliveries.all(), Paging(limit=PER_PAGE, cursor=cursor[:200]))
    rows = [
        {
            "delivery": delivery,
            "error": words.error(delivery),
            # As people read it. What is sent and signed has no line breaks.
            "body": json.dumps(json.loads(delivery.body), ensure_ascii=False, indent=2),
        }
        for delivery in deliveries
    ]
    return {"rows": rows, "cursor": cursor, "following": following}
