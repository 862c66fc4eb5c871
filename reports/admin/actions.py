"""What operators do to jobs, through the same functions as everybody else. Each job's outcome is told and recorded."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.errors import Refusal
from accounts.numbers import number, size
from reports import lifecycle
from reports.models import Checkpoint, Customer, Job, RejectedRows
from uploads.models import Upload

# Does one thing to a job and returns what to say about it, and the job to look at then.
Act = Callable[[Job], tuple[str, Job]]


class JobActions(admin.ModelAdmin[Job]):
    """The actions ask for the permission to change jobs, deleting for the one to delete them."""

    actions = ("retry", "cancel", "run_again", "undo")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("reports.change_job")

    @admin.action(description=gettext_lazy("Retry selected jobs"), permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        def act(job: Job) -> tuple[str, Job]:
            lifecycle.retry(job)
            return _("will go on from its last checkpoint."), job

        return self._each(request, queryset, act)

    @admin.action(description=gettext_lazy("Cancel selected jobs"), permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        def act(job: Job) -> tuple[str, Job]:
            lifecycle.cancel(job)
            return (_("is cancelled.") if job.is_finished else _("is being cancelled by its worker.")), job

        return self._each(request, queryset, act)

    @admin.action(description=gettext_lazy("Run selected jobs again, as new jobs"), permissions=["operate"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        def act(job: Job) -> tuple[str, Job]:
            new = lifecycle.run_again(job, job.options)
            self.log_addition(request, new, f"Runs {job.pk} again.")
            return _("runs again as a new job."), new

        return self._each(request, queryset, act)

    @admin.action(description=gettext_lazy("Undo selected imports"), permissions=["operate"])
    def undo(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        def act(job: Job) -> tuple[str, Job]:
            lifecycle.undo(job)
            return _("is undone; what it had imported is removed."), job

        return self._each(request, queryset, act)

    def _each(self, request: HttpRequest, jobs: QuerySet[Job], act: Act) -> HttpResponse | None:
        """Do it to each and say what came of it; back to the job's page if that is where the request comes from."""
        shown: Job | None = None
        for job in jobs.select_related("upload"):
            name = job.upload.filename
            try:
                said, shown = act(job)
            except Refusal as refusal:
                shown = job
                self.message_user(request, f"{name}: {refusal.message}", level=messages.WARNING)
            else:
                self.log_change(request, job, said)
                self.message_user(request, f"{name} {said}", level=messages.SUCCESS)
        if shown is None or "from_job" not in request.POST:
            return None
        return HttpResponseRedirect(reverse("admin:reports_job_change", args=[quote(shown.pk)]))

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return request.user.has_perm("reports.delete_job")

    def delete_model(self, request: HttpRequest, obj: Job) -> None:
        # Django's own view has opened a transaction: files must not go before the rows that name them are gone.
        transaction.on_commit(lambda: lifecycle.delete(obj))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        super().response_delete(request, obj_display, obj_id)
        # To the list, from which the operator came; Django's answer leads there only those who may change jobs by hand.
        return HttpResponseRedirect(reverse("admin:reports_job_changelist"))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        for job in queryset.select_related("upload"):
            lifecycle.delete(job)
            said = _("%(name)s is deleted with its files.") % {"name": job.upload.filename}
            self.message_user(request, said, level=messages.SUCCESS)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """What goes with the jobs, in words: their rows are too many to be listed, and files are no rows."""
        jobs = Job.objects.filter(pk__in=[job.pk for job in objs])
        others = Job.objects.filter(upload=OuterRef("upload")).exclude(pk__in=jobs.values("pk"))
        listed: list[Any] = []
        files = 0
        jobs = jobs.annotate(
            shared=Exists(others),
            folded=Exists(Checkpoint.objects.filter(job=OuterRef("pk"))),
            listing=Exists(RejectedRows.objects.filter(job=OuterRef("pk"))),
            imported=Exists(Customer.objects.filter(job=OuterRef("pk"))),
        )
        for job in jobs.select_related("upload").order_by("created_at", "pk"):
            listed += [str(job), _what_goes(job)]
            files += not job.shared
        counts = {str(self.opts.verbose_name_plural): len(listed) // 2, str(Upload._meta.verbose_name_plural): files}
        return listed, counts, set(), []


def _what_goes(job: Any) -> list[str]:
    upload: Upload = job.upload
    if job.shared:
        going = [_("The uploaded file stays: another job reads it.")]
    elif upload.state == Upload.State.RECEIVING:
        going = [_("The upload, which is still going on: %(size)s so far.") % {"size": size(upload.offset)}]
    else:
        going = [_("The uploaded file, %(size)s.") % {"size": size(upload.offset)}]
    if job.result_name:
        departments = job.departments or 0
        text = ngettext("The result of %(count)s department.", "The result of %(count)s departments.", departments) % {
            "count": number(departments)
        }
        going.append(text)
    if job.listing:
        going.append(_("The report of rejected rows."))
    if job.folded:
        going.append(_("The checkpoints, from which it could have gone on."))
    if job.imported:
        going.append(_("The customers that it has imported stay. To remove them, undo it first."))
    return going
