"""Uploads in the admin: seen, and cancelled with their bytes."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from tests.conftest import MakeUpload, MakeUser
from tests.files import sales_csv
from uploads import lifecycle
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(50)
UPLOADS = "/admin/uploads/upload/"


@pytest.fixture
def staff(make_user: MakeUser, client_of: Callable[[User], Client]) -> Callable[..., Client]:
    """staff(codename, …) -> the browser of a staff member with those permissions."""

    def make(*codenames: str) -> Client:
        user = make_user("staff@example.org", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return client_of(user)

    return make


def cancel(client: Client, upload: Upload) -> str:
    form = {"action": "cancel", "_selected_action": [str(upload.pk)]}
    return client.post(UPLOADS, form, follow=True).content.decode()


def test_uploads_are_listed_with_how_far_they_are(staff: Callable[..., Client], make_upload: MakeUpload) -> None:
    upload = make_upload(DATA, chunk=1000, whole=False)
    client = staff("view_upload")
    page = client.get(UPLOADS).content.decode()
    for shown in ("sales.csv", "ann@example.org", "Receiving", f"{len(DATA):,} B"):
        assert shown in page
    assert "ann@example.org" in client.get(f"{UPLOADS}{upload.pk}/change/").content.decode()


def test_an_upload_whose_length_is_deferred_says_so(staff: Callable[..., Client], user: User) -> None:
    lifecycle.create(user, length=None)
    assert "not said yet" in staff("view_upload").get(UPLOADS).content.decode()


def test_an_upload_is_cancelled_with_its_bytes_and_only_once(
    staff: Callable[..., Client], make_upload: MakeUpload
) -> None:
    upload = make_upload(DATA)
    client = staff("view_upload", "change_upload")
    assert "Sales.csv: cancelled." in cancel(client, upload)
    upload.refresh_from_db()
    assert (upload.state, upload.parts.count()) == ("cancelled", 0)
    assert "has been deleted" in cancel(client, upload)


def test_who_may_only_view_cannot_cancel(staff: Callable[..., Client], make_upload: MakeUpload) -> None:
    upload = make_upload(DATA)
    cancel(staff("view_upload"), upload)
    upload.refresh_from_db()
    assert upload.state == "complete"


def test_staff_without_permission_and_others_do_not_get_here(
    staff: Callable[..., Client], ann: Client, client: Client
) -> None:
    assert staff().get(UPLOADS).status_code == 403
    for outsider in (ann, client):
        assert outsider.get(UPLOADS)["Location"].startswith("/admin/login/")


def test_nothing_is_added_changed_or_deleted_by_hand(staff: Callable[..., Client], make_upload: MakeUpload) -> None:
    upload = make_upload(DATA)
    client = staff("view_upload", "add_upload", "change_upload", "delete_upload")
    assert client.get(f"{UPLOADS}add/").status_code == 403
    assert client.post(f"{UPLOADS}{upload.pk}/change/", {}).status_code == 403
    assert client.post(f"{UPLOADS}{upload.pk}/delete/", {"post": "yes"}).status_code == 403
