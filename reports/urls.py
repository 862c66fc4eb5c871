from django.urls import path

from reports.views import actions, dashboard, downloads, files, report, shares, webhooks

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("sample.csv", dashboard.sample_csv, name="sample_csv"),
    path("sample-customers.csv", dashboard.sample_customers, name="sample_customers"),
    path("jobs/<uuid:pk>/", report.report, name="report"),
    path("jobs/<uuid:pk>/body", report.body, name="report_body"),
    path("jobs/<uuid:pk>/table", report.table, name="report_table"),
    path("jobs/<uuid:pk>/result.<str:kind>", downloads.result, name="result"),
    path("jobs/<uuid:pk>/rejected.csv", downloads.rejected, name="rejected"),
    path("jobs/<uuid:pk>/cancel", actions.cancel, name="cancel_job"),
    path("jobs/<uuid:pk>/retry", actions.retry, name="retry_job"),
    path("jobs/<uuid:pk>/again", report.run_again, name="run_again"),
    path("jobs/<uuid:pk>/undo", actions.undo, name="undo_job"),
    path("jobs/<uuid:pk>/remove", actions.remove, name="remove_job"),
    path("jobs/<uuid:pk>/shares", shares.create, name="create_share"),
    path("jobs/<uuid:pk>/shares/<uuid:share>/revoke", shares.revoke, name="revoke_share"),
    path("files/", files.files, name="files"),
    path("files/<uuid:pk>/report", files.make_report, name="make_report"),
    path("files/<uuid:pk>/delete", files.delete, name="delete_file"),
    path("shared/<str:token>/", shares.shared, name="shared"),
    path("shared/<str:token>/table", shares.shared_table, name="shared_table"),
    path("shared/<str:token>/result.<str:kind>", shares.shared_result, name="shared_result"),
    # Among the account's pages, which know nothing of reports but this address.
    path("account/webhooks/", webhooks.overview, name="webhooks"),
    path("account/webhooks/<uuid:pk>/", webhooks.webhook, name="webhook"),
    path("account/webhooks/<uuid:pk>/log", webhooks.log, name="webhook_log"),
    path("account/webhooks/<uuid:pk>/test", webhooks.send_test, name="test_webhook"),
    path("account/webhooks/<uuid:pk>/switch", webhooks.switch, name="switch_webhook"),
    path("account/webhooks/<uuid:pk>/secret", webhooks.renew_secret, name="renew_webhook_secret"),
    path("account/webhooks/<uuid:pk>/delete", webhooks.delete, name="delete_webhook"),
    path("account/webhooks/<uuid:pk>/<uuid:delivery>/again", webhooks.send_again, name="redeliver"),
]
