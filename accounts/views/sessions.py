"""Signed-in sessions: which there are, and the ending of others."""

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts import audit, browsers, sessions
from accounts.access import require_user
from accounts.acts import Act
from accounts.ownership import load_owned


@require_safe
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    mine = request.session.session_key
    rows = [
        {
            "pk": session.pk,
            "browser": browsers.describe(session.user_agent),
            "ip": session.ip,
            "created_at": session.created_at,
            "last_seen_at": session.last_seen_at,
            "is_this": session.session_key == mine,
        }
        for session in sessions.of(require_user(request))
    ]
    # This one first, whatever has been used since.
    rows.sort(key=lambda row: not row["is_this"])
    return render(request, "usersessions/usersession_list.html", {"sessions": rows})


@require_POST
@login_required
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign one session out. Of this one that is a log-out, for which there is another way."""
    session = load_owned(_others(request), owner=require_user(request), by="user", pk=pk)
    sessions.end(UserSession.objects.filter(pk=session.pk))
    audit.record(Act.SESSIONS_ENDED, label=browsers.describe(session.user_agent))
    messages.success(request, _("The session has been signed out."))
    return redirect("account_sessions")


@require_POST
@login_required
def end_others(request: HttpRequest) -> HttpResponse:
    """Sign all but this one out."""
    ended = sessions.end(_others(request).filter(user=require_user(request)))
    audit.record(Act.SESSIONS_ENDED, label=str(ended))
    told = ngettext(
        "%(count)s other session has been signed out.", "%(count)s other sessions have been signed out.", ended
    )
    messages.success(request, told % {"count": ended})
    return redirect("account_sessions")


def _others(request: HttpRequest) -> "QuerySet[UserSession]":
    others: QuerySet[UserSession] = UserSession.objects.exclude(session_key=request.session.session_key)
    return others
