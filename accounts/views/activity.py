"""What was done with one's account and one's things: the person's own part of the audit log."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.access import require_user
from accounts.acts import Act
from accounts.models import AuditEntry, User

PER_PAGE = 50


@require_safe
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """The latest, or those before the entry that ``?before=`` names: the log grows while it is read."""
    user = require_user(request)
    entries, before = audit.of(user).select_related("actor"), request.GET.get("before", "")
    is_older = before.isascii() and before.isdecimal() and len(before) < 19
    if is_older:
        entries = entries.filter(pk__lt=int(before))
    found = list(entries[: PER_PAGE + 1])
    rows = [_row(entry, user) for entry in found[:PER_PAGE]]
    older = found[PER_PAGE - 1].pk if len(found) > PER_PAGE else None
    context = {"rows": rows, "older": older, "is_older": is_older, "days": settings.AUDIT_DAYS}
    return render(request, "accounts/activity.html", context)


def _row(entry: AuditEntry, user: User) -> dict[str, Any]:
    # Whoever tried to log in was nobody yet; the owner of the account has to know from where.
    is_own = entry.actor_id == user.pk or entry.action == Act.LOG_IN_FAILED
    return {
        "at": entry.at,
        "act": Act(entry.action).label if entry.action in Act.values else entry.action,
        "label": entry.label,
        "via": entry.get_via_display(),
        "token": entry.token if is_own else "",
        "address": entry.address if is_own else "",
        "by": _who(entry, user),
        "is_warning": entry.action == Act.LOG_IN_FAILED,
    }


def _who(entry: AuditEntry, user: User) -> str:
    """In a word for the template: the person, an operator, somebody with a link, or the system."""
    if entry.actor_id == user.pk or entry.action == Act.LOG_IN_FAILED:
        return ""
    if entry.actor_id is not None:
        return "operator" if entry.actor is not None and entry.actor.is_staff else "other"
    return "link" if entry.via != "system" else "system"
