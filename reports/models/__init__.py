"""What the database keeps of jobs, their results, and who is told of them."""

from reports.models.customers import Customer
from reports.models.exports import Export
from reports.models.jobs import FINISHED, OPEN, Checkpoint, Job
from reports.models.results import DepartmentTotal, MonthTotal, RejectedRows, Share
from reports.models.webhooks import Delivery, Webhook
from reports.models.workers import Attempt, Split, Worker

__all__ = [
    "FINISHED",
    "OPEN",
    "Attempt",
    "Checkpoint",
    "Customer",
    "Delivery",
    "DepartmentTotal",
    "Export",
    "Job",
    "MonthTotal",
    "RejectedRows",
    "Share",
    "Split",
    "Webhook",
    "Worker",
]
