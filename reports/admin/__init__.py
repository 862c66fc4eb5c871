"""What operators see and do: the operations page, jobs with all that happened to them, actions upon them, customers."""

from reports.admin import customers, jobs, webhooks

__all__ = ["customers", "jobs", "webhooks"]
