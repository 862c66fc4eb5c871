"""What operators see and do: the operations page, jobs with all that happened to them, and actions upon them."""

from reports.admin import jobs, webhooks

__all__ = ["jobs", "webhooks"]
