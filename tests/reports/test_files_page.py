"""The page of stored files: what there is, made into reports, deleted."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from accounts.models import User
from reports import lifecycle as jobs
from reports import runner
from reports.models import Job
from reports.views import files as view
from tests.conftest import MakeUpload, append, b64
from tests.files import customers_csv, sales_csv
from uploads import imports, lifecycle
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(50)
Finished = Callable[..., Job]


@pytest.fixture
def bob(stranger: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(stranger)


@pytest.fixture
def kept(user: User) -> Upload:
    """A file that is stored for its own sake."""
    upload = lifecycle.create(user, length=len(DATA), metadata=f"filename {b64('kept.csv')}", keep=True)
    return append(upload, DATA)


@pytest.fixture
def imported(user: User) -> Upload:
    key = default_storage.save(f"imports/{user.pk}/imported.csv", ContentFile(DATA))
    return imports.take(user, key, imports.find(user, key))


def text(response: Any) -> str:
    content: str = response.content.decode()
    return " ".join(content.split())


def stored(files: Path) -> list[str]:
    return [path.name for path in files.rglob("*") if path.is_file()]


def test_it_has_all_that_one_stores_and_nothing_of_others(
    ann: Client, stranger: User, kept: Upload, imported: Upload, make_upload: MakeUpload
) -> None:
    make_upload(DATA, name="with a job.csv")
    make_upload(DATA, chunk=1000, whole=False, name="coming.csv")
    lifecycle.cancel(make_upload(DATA, name="cancelled.csv"))
    make_upload(DATA, name="theirs.csv", owner=stranger)
    page = text(ann.get("/files/"))
    order = [page.index(f"<h2>{name}") for name in ("coming.csv", "with a job.csv", "imported.csv", "kept.csv")]
    assert order == sorted(order)
    assert "cancelled.csv" not in page
    assert "theirs.csv" not in page
    assert page.count("until you delete it") == 2
    assert page.count("as long as its reports") == 2
    assert page.count(">Imported<") == page.count(">Uploading<") == 1
    assert "1 kB of " in page
    assert page.count("<form") - 1 == 3
    assert f"{4 * len(DATA) / 1000:.1f} kB of 2 TB used." in page


def test_without_files_it_says_so(ann: Client) -> None:
    page = text(ann.get("/files/"))
    assert "No files are stored." in page
    assert 'class="pager"' not in page


def test_a_file_name_is_text_and_never_markup(ann: Client, make_upload: MakeUpload) -> None:
    name = '<img src=x onerror="alert(1)">&page=2.csv'
    upload = make_upload(DATA, name=name)
    jobs.process(upload, {})
    for page in (ann.get("/files/"), ann.get(f"/files/{upload.pk}/delete")):
        assert "<img src=x" not in text(page)
    assert f"/?q={'%3Cimg%20src%3Dx%20onerror%3D%22alert%281%29%22%3E%26page%3D2.csv'}" in text(ann.get("/files/"))


def test_it_leads_to_the_report_or_to_all_of_them(ann: Client, kept: Upload, make_upload: MakeUpload) -> None:
    one = make_upload(DATA, name="one.csv").jobs.get()
    for _ in range(2):
        jobs.process(kept, {})
    page = text(ann.get("/files/"))
    assert f'href="/jobs/{one.pk}/"' in page
    assert 'href="/?q=kept.csv"' in page
    assert "kept.csv" in text(ann.get("/?q=kept.csv"))


def test_it_has_pages(ann: Client, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "PER_PAGE", 2)
    for number in range(5):
        lifecycle.create(user, length=5, metadata=f"filename {b64(f'{number}.csv')}", keep=True)
    first, last = text(ann.get("/files/")), text(ann.get("/files/?page=3"))
    assert "<h2>4.csv" in first
    assert "Page 1 of 3" in first
    assert "<h2>0.csv" in last
    assert 'href="?page=2"' in last
    for odd in ("0", "99", "x", "%00"):
        assert ann.get(f"/files/?page={odd}").status_code == 200


def test_how_many_files_there_are_costs_no_further_query(
    ann: Client, kept: Upload, make_upload: MakeUpload, django_assert_max_num_queries: Any
) -> None:
    ann.get("/files/")
    for _ in range(5):
        make_upload(DATA)
    with django_assert_max_num_queries(7):
        ann.get("/files/")


def test_a_report_is_made_of_a_file(ann: Client, kept: Upload) -> None:
    response = ann.post(f"/files/{kept.pk}/report")
    job = kept.jobs.get()
    assert (response.status_code, response["Location"]) == (302, f"/jobs/{job.pk}/")
    runner.run_all()
    job.refresh_from_db()
    assert (job.status, job.rows) == ("completed", 50)


@pytest.fixture
def contacts(user: User) -> Upload:
    """A file of customers that is stored for its own sake."""
    data = customers_csv(7)
    upload = lifecycle.create(user, length=len(data), metadata=f"filename {b64('contacts.csv')}", keep=True)
    return append(upload, data)


def test_of_which_kind_a_file_is_its_header_says(ann: Client, contacts: Upload) -> None:
    assert "Kind of contacts.csv" in text(ann.get("/files/"))
    for form in ({}, {"kind": ""}):
        ann.post(f"/files/{contacts.pk}/report", form)
    runner.run_all()
    first, second = contacts.jobs.order_by("created_at")
    assert (first.kind, first.status, first.rows, first.bad_rows) == ("customers", "completed", 7, 0)
    assert (second.kind, second.bad_rows) == ("customers", 7)


def test_of_which_kind_a_file_is_a_person_may_say(ann: Client, contacts: Upload, kept: Upload) -> None:
    ann.post(f"/files/{contacts.pk}/report", {"kind": "sales"})
    ann.post(f"/files/{kept.pk}/report", {"kind": "customers"})
    runner.run_all()
    told = [(job.kind, job.error_code) for job in Job.objects.order_by("created_at")]
    assert told == [("sales", "missing_columns"), ("customers", "missing_columns")]
    # What it was last is what it probably is.
    page = text(ann.get("/files/"))
    for name, kind in (("contacts.csv", "sales"), ("kept.csv", "customers")):
        form = page.partition(f"Kind of {name}")[2].partition("</form>")[0]
        assert [part.split('"')[0] for part in form.split('<option value="')[1:] if " selected" in part] == [kind]


def test_a_kind_that_there_is_not_is_refused(ann: Client, kept: Upload) -> None:
    response = ann.post(f"/files/{kept.pk}/report", {"kind": "nonsense"}, headers={"Accept": "text/html"})
    assert response.status_code == 400
    assert "There is no such kind of file." in text(response)
    assert not Job.objects.exists()


def test_of_a_file_that_is_gone_no_report_is_made(ann: Client, kept: Upload, settings: Any) -> None:
    settings.MAX_OPEN_JOBS = 0
    assert ann.post(f"/files/{kept.pk}/report").status_code == 429
    lifecycle.cancel(kept)
    assert ann.post(f"/files/{kept.pk}/report").status_code == 410
    assert not Job.objects.exists()


def test_deleting_asks_first(ann: Client, kept: Upload, files: Path) -> None:
    page = text(ann.get(f"/files/{kept.pk}/delete"))
    assert "Delete kept.csv?" in page
    assert "cannot be undone" in page
    assert "report that was made" not in page
    assert stored(files)
    response = ann.post(f"/files/{kept.pk}/delete", follow=True)
    assert response.redirect_chain == [("/files/", 302)]
    assert "“kept.csv” has been deleted." in text(response)
    assert not stored(files)
    assert not Upload.objects.exists()


def test_of_a_file_with_reports_it_says_that_they_stay(ann: Client, finished: Finished) -> None:
    job = finished(DATA)
    delete = f"/files/{job.upload_id}/delete"
    assert "The report that was made of it stays" in text(ann.get(delete))
    jobs.run_again(job, {})
    runner.run_all()
    assert "The 2 reports that were made of it stay" in text(ann.get(delete))
    ann.post(delete)
    assert ann.get(f"/jobs/{job.pk}/").status_code == 200
    assert "No files are stored." in text(ann.get("/files/"))
    for response in (ann.get(delete), ann.post(delete)):
        assert response.status_code == 410


def test_of_an_imported_file_it_says_that_the_object_stays(ann: Client, imported: Upload, files: Path) -> None:
    assert "stays where it is" in text(ann.get(f"/files/{imported.pk}/delete"))
    ann.post(f"/files/{imported.pk}/delete")
    assert stored(files) == ["imported.csv"]


def test_a_file_that_a_job_reads_cannot_be_deleted(ann: Client, make_upload: MakeUpload, files: Path) -> None:
    upload = make_upload(DATA)
    page = text(ann.get(f"/files/{upload.pk}/delete"))
    assert "A report is being made of this file." in page
    assert f'href="/jobs/{upload.jobs.get().pk}/"' in page
    assert 'class="btn btn-danger"' not in page
    response = ann.post(f"/files/{upload.pk}/delete", headers={"Accept": "text/html"})
    assert response.status_code == 409
    assert "Cancel the job first." in text(response)
    assert stored(files)


def test_somebody_elses_file_is_as_one_that_never_was(bob: Client, kept: Upload, files: Path) -> None:
    for pk in (kept.pk, uuid.uuid4()):
        assert bob.get(f"/files/{pk}/delete").status_code == 404
        assert bob.post(f"/files/{pk}/delete").status_code == 404
        assert bob.post(f"/files/{pk}/report").status_code == 404
    assert stored(files)
    assert not Job.objects.exists()


def test_who_is_not_logged_in_is_asked_to(kept: Upload) -> None:
    for path in ("/files/", f"/files/{kept.pk}/delete"):
        assert Client().get(path)["Location"] == f"/accounts/login/?next={path}"
    assert Client().post(f"/files/{kept.pk}/report")["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "", "GET, HEAD"), ("GET", "1/report", "POST"), ("PUT", "1/delete", "GET, HEAD, POST")],
)
def test_other_methods_are_refused(ann: Client, kept: Upload, method: str, path: str, allowed: str) -> None:
    response = ann.generic(method, f"/files/{path.replace('1/', f'{kept.pk}/')}")
    assert (response.status_code, response["Allow"]) == (405, allowed)


def test_forms_need_their_csrf_token(user: User, kept: Upload, files: Path) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.post(f"/files/{kept.pk}/delete").status_code == 403
    assert client.post(f"/files/{kept.pk}/report").status_code == 403
    assert stored(files)


def test_the_dashboard_and_ones_data_lead_to_it(ann: Client) -> None:
    for path in ("/", "/account/data/"):
        assert 'href="/files/"' in text(ann.get(path))
