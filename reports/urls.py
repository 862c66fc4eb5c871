from django.urls import path

from reports.views import actions, dashboard, downloads, report

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("sample.csv", dashboard.sample_csv, name="sample_csv"),
    path("jobs/<uuid:pk>/", report.report, name="report"),
    path("jobs/<uuid:pk>/result.csv", downloads.result_csv, name="result_csv"),
    path("jobs/<uuid:pk>/rejected.csv", downloads.rejected_csv, name="rejected_csv"),
    path("jobs/<uuid:pk>/cancel", actions.cancel, name="cancel_job"),
    path("jobs/<uuid:pk>/retry", actions.retry, name="retry_job"),
    path("jobs/<uuid:pk>/remove", actions.remove, name="remove_job"),
]
