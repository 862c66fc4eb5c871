"""The site's URLs; each app brings its own."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from salesagg import health

# One log-in for everybody, with its rate limits; the admin's own has none.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = "Salesagg administration"
admin.site.site_title = "Salesagg"

urlpatterns = [
    path("", include("reports.urls")),
    path("uploads/", include("uploads.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
]
