"""What is noted of people in the audit log: stable codes for programs, and words for people.

The acts of all apps are named here, because the lowest app keeps the log and its page shows them.
"""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Act(TextChoices):
    """What somebody did, or tried. A code is never given another meaning: old entries have it."""

    SIGNED_UP = "account.made", _("Account made")
    LOGGED_IN = "login", _("Logged in")
    LOG_IN_FAILED = "login_failed", _("Log-in failed")
    LOGGED_OUT = "logout", _("Logged out")
    SESSIONS_ENDED = "sessions.ended", _("Sessions signed out")
    REFRESHED_TWICE = "refresh.twice", _("Refresh token used twice, session ended")
    PASSWORD_CHANGED = "password.changed", _("Password changed")
    PASSWORD_RESET = "password.reset", _("Password reset by mail")
    EMAIL_ADDED = "email.added", _("Email address added")
    EMAIL_REMOVED = "email.removed", _("Email address removed")
    EMAIL_CHANGED = "email.changed", _("E-mail address changed")
    EMAIL_CONFIRMED = "email.confirmed", _("E-mail address confirmed")
    SECOND_FACTOR_ADDED = "second_factor.added", _("Second factor added")
    SECOND_FACTOR_REMOVED = "second_factor.removed", _("Second factor removed")
    SECOND_FACTOR_FAILED = "second_factor.failed", _("Second factor failed")
    RECOVERY_CODES_MADE = "recovery_codes.made", _("Recovery codes created")
    RECOVERY_CODE_USED = "recovery_code.used", _("Recovery code used")
    DATA_EXPORTED = "data.exported", _("Own data downloaded")
    ACCOUNT_LOCKED = "account.locked", _("Account locked")
    ACCOUNT_CLOSED = "account.closed", _("Account closed")
    ACCOUNT_DELETED = "account.deleted", _("Account deleted")
    TOKEN_MADE = "token.made", _("API token made")
    TOKEN_REVOKED = "token.revoked", _("API token revoked")
    FILE_STORED = "file.stored", _("File stored")
    FILE_DELETED = "file.deleted", _("File deleted")
    UPLOAD_CANCELLED = "upload.cancelled", _("Upload cancelled")
    JOB_MADE = "job.made", _("Job begun")
    JOB_CANCELLED = "job.cancelled", _("Job cancelled")
    JOB_RETRIED = "job.retried", _("Job retried")
    JOB_DELETED = "job.deleted", _("Job deleted")
    IMPORT_UNDONE = "job.undone", _("Import undone")
    RESULT_DOWNLOADED = "result.downloaded", _("Result downloaded")
    REJECTED_DOWNLOADED = "rejected.downloaded", _("Rejected rows downloaded")
    SHARE_MADE = "share.made", _("Link to a report made")
    SHARE_REVOKED = "share.revoked", _("Link to a report revoked")
    SHARE_OPENED = "share.opened", _("Report opened by link")
    CUSTOMERS_EXPORTED = "customers.exported", _("Customers exported")
    CUSTOMER_CHANGED = "customer.changed", _("Customer changed")
    CUSTOMER_DELETED = "customer.deleted", _("Customer deleted")
    WEBHOOK_MADE = "webhook.made", _("Webhook made")
    WEBHOOK_CHANGED = "webhook.changed", _("Webhook changed")
    WEBHOOK_SECRET_SHOWN = "webhook.secret_shown", _("Webhook secret shown")
    WEBHOOK_SECRET_RENEWED = "webhook.secret_renewed", _("Webhook secret renewed")
    WEBHOOK_DELETED = "webhook.deleted", _("Webhook deleted")
    ADMIN_ADDED = "admin.added", _("Added in the administration")
    ADMIN_CHANGED = "admin.changed", _("Changed in the administration")
    ADMIN_DELETED = "admin.deleted", _("Deleted in the administration")


class Via(TextChoices):
    """By which way it was done."""

    PAGE = "page", _("on a page")
    API = "api", _("by the API")
    GRPC = "grpc", _("by gRPC")
    ADMIN = "admin", _("in the administration")
    SYSTEM = "system", _("by the system itself")
