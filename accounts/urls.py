from django.urls import path

from accounts.views import activity, data, profile, sessions, tokens

urlpatterns = [
    path("", profile.profile, name="account"),
    path("tokens/", tokens.overview, name="account_tokens"),
    path("tokens/revoke", tokens.revoke_all, name="account_revoke_tokens"),
    path("tokens/<int:pk>/revoke", tokens.revoke, name="account_revoke_token"),
    path("sessions/", sessions.overview, name="account_sessions"),
    path("sessions/end", sessions.end_others, name="account_end_sessions"),
    path("sessions/<int:pk>/end", sessions.end, name="account_end_session"),
    path("activity/", activity.overview, name="account_activity"),
    path("data/", data.overview, name="account_data"),
    path("export", data.export, name="account_export"),
    path("delete", data.delete, name="account_delete"),
]
