"""The operations page and the numbers that its script asks for, as pages of the jobs' admin."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from reports import operations
from reports.models import Job


class OperationsPages(admin.ModelAdmin[Job]):
    """For whoever may view jobs; the admin itself sends everybody else to the log-in."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own: list[URLPattern] = [
            path("operations/", view(self.operations), name="reports_operations"),
            path("operations/numbers", view(self.numbers), name="reports_operations_numbers"),
        ]
        return own + super().get_urls()

    @method_decorator(require_safe)
    def operations(self, request: HttpRequest) -> HttpResponse:
        self._check_may_view(request)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Operations"),
            "opts": self.opts,
            **operations.live(),
            **operations.totals(),
        }
        return TemplateResponse(request, "admin/reports/operations.html", context)

    @method_decorator(require_safe)
    def numbers(self, request: HttpRequest) -> HttpResponse:
        """All the numbers, or with ``?part=live`` those alone that change from moment to moment."""
        self._check_may_view(request)
        totals = {} if request.GET.get("part") == "live" else operations.totals()
        return JsonResponse({**operations.live(), **totals})

    def _check_may_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
