"""The site's URLs; each app brings its own."""

from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy as _
from django.views.generic import RedirectView
from django.views.i18n import JavaScriptCatalog

from accounts.views import administration, ways_in
from salesagg import exposition, health, reference
from salesagg.api import api

# The admin's own pages for logging in and for changing one's password ask for no second factor and have no limits.
admin.site.login = administration.login  # type: ignore[assignment]
admin.site.password_change = administration.password_change  # type: ignore[assignment]
admin.site.site_header = _("Salesagg administration")
admin.site.site_title = "Salesagg"

handler500 = "salesagg.failing.server_error"
urlpatterns = [
    path("", include("reports.urls")),
    path("uploads/", include("uploads.urls")),
    path("api/auth/", include("accounts.api.urls")),
    path("api/docs", reference.reference, name="api_docs"),
    path("api/", api.urls),
    path("account/", include("accounts.urls")),
    path("accounts/email/", ways_in.email, name="account_email"),
    path("accounts/password/change/", ways_in.password_change, name="account_change_password"),
    path("accounts/", include("allauth.account.urls")),
    # Passkeys are listed on the page of all second factors.
    path("accounts/2fa/webauthn/", RedirectView.as_view(pattern_name="mfa_index")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("admin/", admin.site.urls),
    # The texts of our scripts in the reader's language, as a script of its own.
    path("texts.js", JavaScriptCatalog.as_view(packages=["salesagg"]), name="texts"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", exposition.metrics, name="metrics"),
]
