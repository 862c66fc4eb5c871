"""Jobs and uploads in the admin."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from reports import lifecycle
from reports.models import Job
from tests.conftest import MakeUpload, MakeUser
from tests.files import sales_csv
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(50, bad_every=10)
JOBS, UPLOADS = "/admin/reports/job/", "/admin/uploads/upload/"


@pytest.fixture
def admin(make_user: MakeUser, client_of: Callable[[User], Client]) -> Client:
    return client_of(make_user("root@example.org", is_staff=True, is_superuser=True))


@pytest.fixture
def viewer(make_user: MakeUser, client_of: Callable[[User], Client]) -> Client:
    staff = make_user("viewer@example.org", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_job", "view_upload"]))
    return client_of(staff)


def act(client: Client, path: str, action: str, *chosen: Job | Upload) -> str:
    form = {"action": action, "_selected_action": [str(row.pk) for row in chosen]}
    return client.post(path, form, follow=True).content.decode()


def test_jobs_are_listed_with_what_operators_look_for(admin: Client, finished: Callable[..., Job]) -> None:
    job = finished(DATA)
    page = admin.get(JOBS).content.decode()
    for shown in ("sales.csv", "Completed", "ann@example.org", "100 %", "50", "5", " s</td>"):
        assert shown in page
    assert "ann@example.org" in admin.get(f"{JOBS}?q=ann").content.decode()
    assert "0 jobs" in admin.get(f"{JOBS}?q=nobody").content.decode()
    assert "0 jobs" in admin.get(f"{JOBS}?status__exact=failed").content.decode()
    assert "sales.csv" in admin.get(f"{JOBS}{job.pk}/change/").content.decode()


def test_retry_and_cancel_act_and_say_what_they_could_not_do(admin: Client, make_upload: MakeUpload) -> None:
    open_job, ended_job = make_upload(DATA).jobs.get(), make_upload(DATA).jobs.get()
    Job.objects.filter(pk=ended_job.pk).update(status="completed")
    page = act(admin, JOBS, "cancel", open_job, ended_job)
    assert "is being cancelled" in page
    assert "The job is completed already" in page
    open_job.refresh_from_db()
    assert open_job.status == "cancelled"
    page = act(admin, JOBS, "retry", open_job, ended_job)
    assert "will run again" in page
    assert "only failed or cancelled jobs" in page
    open_job.refresh_from_db()
    assert open_job.status == "pending"


def test_uploads_are_listed_and_cancelled_with_their_bytes(admin: Client, make_upload: MakeUpload) -> None:
    upload = make_upload(DATA)
    assert "100 %" in admin.get(UPLOADS).content.decode()
    assert "cancelled." in act(admin, UPLOADS, "cancel", upload)
    upload.refresh_from_db()
    assert (upload.state, upload.parts.count()) == ("cancelled", 0)
    assert "was cancelled" in act(admin, UPLOADS, "cancel", upload)


def test_who_may_only_view_cannot_act(viewer: Client, make_upload: MakeUpload) -> None:
    upload = make_upload(DATA)
    job = upload.jobs.get()
    assert viewer.get(JOBS).status_code == 200
    act(viewer, JOBS, "cancel", job)
    act(viewer, UPLOADS, "cancel", upload)
    job.refresh_from_db()
    upload.refresh_from_db()
    assert (job.status, upload.state) == ("pending", "complete")


@pytest.mark.parametrize("path", [JOBS, UPLOADS])
def test_nothing_is_added_changed_or_deleted_by_hand(admin: Client, make_upload: MakeUpload, path: str) -> None:
    upload = make_upload(DATA)
    pk = upload.pk if path == UPLOADS else upload.jobs.get().pk
    assert admin.get(f"{path}add/").status_code == 403
    assert admin.post(f"{path}{pk}/change/", {}).status_code == 403
    assert admin.post(f"{path}{pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_job_that_has_not_begun_has_no_duration(admin: Client, make_upload: MakeUpload) -> None:
    make_upload(DATA)
    assert "–" in admin.get(JOBS).content.decode()
    lifecycle.claim()
    assert " s</td>" in admin.get(JOBS).content.decode()
