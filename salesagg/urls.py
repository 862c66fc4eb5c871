"""The site's URLs; each app brings its own."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy as _
from django.views.i18n import JavaScriptCatalog

from salesagg import exposition, health, reference
from salesagg.api import api

# One log-in for everybody, with its rate limits; the admin's own has none.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
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
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    # The texts of our scripts in the reader's language, as a script of its own.
    path("texts.js", JavaScriptCatalog.as_view(packages=["salesagg"]), name="texts"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", exposition.metrics, name="metrics"),
]
