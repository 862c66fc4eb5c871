"""Accounts as an app."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import changes, firstpassword, noting, reminders  # noqa: F401  (they connect signals)

        user_logged_in.connect(_make_room, dispatch_uid="accounts.make_room")


def _make_room(user: Any, **kwargs: Any) -> None:
    from accounts import sessions

    # Connected before allauth's own receiver, which looks at all sessions of the person.
    sessions.adopt(user)
    sessions.end_oldest(user)
