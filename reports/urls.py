from django.urls import path

from reports import views

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("jobs/<uuid:pk>/", views.report, name="report"),
    path("jobs/<uuid:pk>/result.csv", views.result_csv, name="result_csv"),
    path("jobs/<uuid:pk>/rejected.csv", views.rejected_csv, name="rejected_csv"),
    path("jobs/<uuid:pk>/cancel", views.cancel, name="cancel_job"),
    path("jobs/<uuid:pk>/retry", views.retry, name="retry_job"),
    path("sample.csv", views.sample_csv, name="sample_csv"),
]
