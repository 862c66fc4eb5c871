"""The audit log: what is noted, of whom, from where; that it stays as it is, who sees it, when it is forgotten."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import audit, deletion, tokens
from accounts.acts import Act, Via
from accounts.models import ApiToken, AuditEntry, User
from reports import lifecycle, shares, signed
from reports.models import Customer, Job
from tests.accounts.conftest import text
from tests.conftest import PASSWORD, MakeUpload, b64, bound_to
from tests.files import HEADER
from tests.uploads.conftest import Tus

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
DATA = HEADER.encode() + b"Toys,2024-01-01,3\nToys,never,1\n"
CUSTOMERS = b"name,email,company\nAda,ada@example.org,Engines\n"
PAGE = "/account/activity/"
Finished = Callable[..., Job]
ClientOf = Callable[[User], Client]


def acts(**only: Any) -> list[str]:
    return list(AuditEntry.objects.filter(**only).order_by("pk").values_list("action", flat=True))


@pytest.fixture
def root(make_user: Callable[..., User], client_of: ClientOf) -> Client:
    return client_of(make_user("root@example.org", is_staff=True, is_superuser=True))


def test_the_ways_in_and_out_are_noted_with_the_address(user: User) -> None:
    client = Client(REMOTE_ADDR="192.0.2.7")
    client.post("/accounts/login/", {"login": user.email, "password": "wrong"})
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    client.post("/accounts/logout/")
    assert acts(account=user, address="192.0.2.7", via=Via.PAGE) == ["login_failed", "login", "logout"]
    assert list(AuditEntry.objects.order_by("pk").values_list("actor", flat=True)) == [None, user.pk, user.pk]


def test_a_log_in_that_failed_for_nobody_is_noted_without_what_was_entered(db: None) -> None:
    Client().post("/accounts/login/", {"login": "hunter2-hunter2@example.org", "password": "x"})
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.account, entry.label, entry.address) == ("login_failed", None, "", "127.0.0.1")


def test_a_sign_up_and_a_reset_of_the_password_are_noted(db: None) -> None:
    client = Client()
    client.post("/accounts/signup/", {"email": "eve@example.org", "password1": PASSWORD, "password2": PASSWORD})
    assert acts(account__email="eve@example.org") == ["account.made", "login"]
    client.post("/accounts/logout/")
    Client().post("/accounts/password/reset/", {"email": "eve@example.org"})
    link = next(word for word in str(mail.outbox[-1].body).split() if "/password/reset/key/" in word)
    page = Client()
    form = page.get("/" + link.split("/", 3)[3], follow=True)
    new = "another horse battery"
    page.post(form.request["PATH_INFO"], {"password1": new, "password2": new})
    assert "password.reset" in acts(account__email="eve@example.org")


def test_a_new_password_is_noted(ann: Client, user: User) -> None:
    new = "another horse battery"
    ann.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert "password.changed" in acts(account=user, actor=user)


def test_behind_a_proxy_the_address_is_the_callers_and_no_forged_one(user: User, settings: Any) -> None:
    sent = {"X-Forwarded-For": "203.0.113.66, 198.51.100.9"}
    login = {"login": user.email, "password": PASSWORD}
    Client(headers=sent).post("/accounts/login/", login)
    settings.BEHIND_PROXY = True
    Client(headers=sent).post("/accounts/login/", login)
    assert list(AuditEntry.objects.order_by("pk").values_list("address", flat=True)) == ["127.0.0.1", "198.51.100.9"]


def test_tokens_are_noted_by_name_and_never_with_their_secret(ann: Client, user: User) -> None:
    made = text(ann.post("/account/tokens/", {"name": "nightly", "scopes": "read write", "days": ""}))
    token = ApiToken.objects.get()
    ann.post(f"/account/tokens/{token.pk}/revoke")
    assert acts(actor=user, object_type="apitoken", object_id=str(token.pk), label="nightly") == [
        "token.made",
        "token.revoked",
    ]
    secret = next(word.strip('"') for word in made.split('"') if word.startswith("salesagg_") and len(word) > 30)
    assert not any(secret[14:] in str(row) for row in AuditEntry.objects.values())


def test_what_is_done_by_a_token_says_which(user: User) -> None:
    token = tokens.issue(user, name="nightly")
    Tus(Client(), token).create(9, Upload_Metadata=f"filename {b64('a.csv')}")
    client = Client(headers={"Authorization": f"Bearer {token}"})
    job = Job.objects.get()
    for what in ("cancel", "retry", "cancel"):
        client.post(f"/api/jobs/{job.pk}/{what}")
    client.delete(f"/api/jobs/{job.pk}")
    theirs = {"actor": user, "via": Via.API, "token": "nightly", "object_id": str(job.pk), "label": "a.csv"}
    assert acts(**theirs) == ["job.made", "job.cancelled", "job.retried", "job.cancelled", "job.deleted"]


def test_files_downloads_and_links_are_noted(ann: Client, user: User, finished: Finished) -> None:
    job = finished(DATA, name="a.csv")
    AuditEntry.objects.all().delete()
    for path in ("result.csv", "rejected.csv"):
        ann.get(f"/jobs/{job.pk}/{path}").close()
    ann.post(f"/jobs/{job.pk}/shares", {"days": "1"})
    share = job.shares.get()
    for _twice in range(2):
        Client(REMOTE_ADDR="192.0.2.9").get(f"/shared/{shares.token(share)}/")
        ann.get(f"/shared/{shares.token(share)}/")
    Client().get(signed.path(job, "result.csv", until=signed.expiry(), bound_to=bound_to(user))).close()
    ann.post(f"/jobs/{job.pk}/shares/{share.pk}/revoke")
    ann.post(f"/files/{job.upload_id}/delete")
    noted = [(entry.action, entry.actor == user, entry.label) for entry in AuditEntry.objects.order_by("pk")]
    assert noted == [
        ("result.downloaded", True, "a.csv"),
        ("rejected.downloaded", True, "a.csv"),
        ("share.made", True, "a.csv"),
        ("share.opened", False, "a.csv"),
        ("result.downloaded", False, "a.csv"),
        ("share.revoked", True, "a.csv"),
        ("file.deleted", True, "a.csv"),
    ]
    assert set(AuditEntry.objects.values_list("account", flat=True)) == {user.pk}


def test_customers_and_webhooks_are_noted(ann: Client, user: User, imported: Finished, settings: Any) -> None:
    settings.WEBHOOKS_TO_PRIVATE_ADDRESSES = True
    job = imported(CUSTOMERS)
    AuditEntry.objects.all().delete()
    customer = Customer.objects.get()
    changed = {"name": "Ada Byron", "email": "ada@example.org", "phone": "", "company": "Engines"}
    ann.post(f"/customers/{customer.pk}/", changed)
    ann.get("/customers/customers.csv").close()
    ann.post(f"/customers/{customer.pk}/delete")
    ann.post(f"/jobs/{job.pk}/undo")
    ann.post("/account/webhooks/", {"url": "https://hooks.example.org/secret-path"})
    hook = user.webhooks.get()
    for what in ("switch", "secret", "delete"):
        ann.post(f"/account/webhooks/{hook.pk}/{what}")
    assert acts(account=user, actor=user, via=Via.PAGE) == [
        *("customer.changed", "customers.exported", "customer.deleted", "job.undone"),
        *("webhook.made", "webhook.changed", "webhook.secret_renewed", "webhook.deleted"),
    ]
    # What a customer is called is a customer's, and an address may hold its receiver's secret.
    assert set(AuditEntry.objects.values_list("label", flat=True)) == {"", "customers.csv", "hooks.example.org"}


def test_what_is_refused_or_rolled_back_is_not_noted(ann: Client, user: User, finished: Finished) -> None:
    job = finished(DATA)
    before = acts()
    assert ann.post(f"/jobs/{job.pk}/retry").status_code == 409
    assert ann.post(f"/jobs/{job.pk}/cancel").status_code == 409
    with pytest.raises(RuntimeError), transaction.atomic():
        tokens.issue(user, name="lost")
        raise RuntimeError
    assert acts() == before


def test_what_somebody_else_tries_is_not_noted_as_the_owners(
    finished: Finished, stranger: User, client_of: ClientOf
) -> None:
    job, bob = finished(DATA), client_of(stranger)
    before = acts()
    assert bob.post(f"/jobs/{job.pk}/remove").status_code == 404
    assert acts() == before


def test_names_cannot_forge_an_entry(user: User) -> None:
    audit.record(Act.JOB_MADE, account=user, label="a.csv\r\n2030-01-01 job.deleted\x1b[31m\0\u2028" + "x" * 500)
    entry = AuditEntry.objects.get()
    assert entry.label.isprintable()
    assert len(entry.label) == 200


def test_what_operators_do_is_noted_for_the_owner_too(root: Client, user: User, finished: Finished) -> None:
    job = finished(DATA)
    AuditEntry.objects.all().delete()
    root.post("/admin/reports/job/", {"action": "run_again", "_selected_action": [str(job.pk)]})
    run = AuditEntry.objects.filter(action="job.made").get()
    assert (run.account, str(run.actor), run.via) == (user, "root@example.org", Via.ADMIN)
    fields = {"email": user.email, "is_active": "on", "is_staff": "on", "date_joined_0": "2026-01-01"}
    root.post(f"/admin/accounts/user/{user.pk}/change/", {**fields, "date_joined_1": "00:00:00"})
    user.refresh_from_db()
    assert user.is_staff
    assert acts(account=user, actor__email="root@example.org", object_type="user") == ["admin.changed"]


@pytest.mark.parametrize(
    "change",
    [{"action": "login"}, {"label": "another"}, {"address": "192.0.2.1"}, {"at": timezone.now()}, {"object_id": "1"}],
)
def test_the_database_refuses_to_change_an_entry(user: User, change: dict[str, Any]) -> None:
    audit.record(Act.LOGGED_OUT, account=user, label="one")
    before = AuditEntry.objects.values().get()
    with pytest.raises(IntegrityError, match="audit log"), transaction.atomic():
        AuditEntry.objects.update(**change)
    with pytest.raises(IntegrityError, match="audit log"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_auditentry SET action = 'login'")
    assert AuditEntry.objects.values().get() == before


def test_nobody_changes_it_in_the_admin(root: Client, user: User) -> None:
    audit.record(Act.LOGGED_OUT, account=user)
    entry = AuditEntry.objects.filter(account=user).get()
    address = f"/admin/accounts/auditentry/{entry.pk}"
    assert root.get("/admin/accounts/auditentry/add/").status_code == 403
    assert root.post(f"{address}/change/", {"action": "login"}).status_code == 403
    assert root.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [str(entry.pk)], "post": "yes"}
    root.post("/admin/accounts/auditentry/", chosen)
    assert AuditEntry.objects.filter(pk=entry.pk).exists()


def test_operators_find_entries_by_person_act_object_and_day(root: Client, user: User, make_upload: MakeUpload) -> None:
    job = make_upload(DATA, name="findme.csv").jobs.get()
    AuditEntry.objects.filter(account=None).delete()
    today = timezone.now().date().isoformat()
    for query in (
        "q=ann@example.org",
        "q=job.made",
        f"q={job.pk}",
        "action=job.made",
        f"at__gte={today}T00:00%2B00:00",
    ):
        assert "findme.csv" in text(root.get(f"/admin/accounts/auditentry/?{query}")), query
    for query in ("q=nobody@example.org", "action=login", "via__exact=grpc"):
        assert "findme.csv" not in text(root.get(f"/admin/accounts/auditentry/?{query}")), query
    # The page of one entry, which nobody can change.
    assert "findme.csv" in text(
        root.get(f"/admin/accounts/auditentry/{AuditEntry.objects.get(label='findme.csv').pk}/change/")
    )


def test_staff_without_the_permission_do_not_see_it(make_user: Callable[..., User], client_of: ClientOf) -> None:
    staff = client_of(make_user("helper@example.org", is_staff=True))
    assert staff.get("/admin/accounts/auditentry/").status_code == 403


def test_the_page_shows_ones_own_entries_and_who_did_it(
    ann: Client, user: User, root: Client, stranger: User, finished: Finished, client_of: ClientOf
) -> None:
    job = finished(DATA, name="mine.csv")
    finished(DATA, name="theirs.csv", owner=stranger)
    Client(REMOTE_ADDR="192.0.2.9").get(f"/shared/{shares.token(shares.create(job, days=1))}/")
    root.post("/admin/reports/job/", {"action": "run_again", "_selected_action": [str(job.pk)]})
    ann.get(f"/jobs/{job.pk}/result.csv").close()
    page = text(ann.get(PAGE))
    assert "mine.csv" in page
    assert "theirs.csv" not in page
    assert "an operator of this site" in page
    assert "somebody who is not logged in" in page
    # From where others came is theirs.
    assert "192.0.2.9" not in page
    assert "root@example.org" not in page
    assert "mine.csv" not in text(client_of(stranger).get(PAGE))


def test_the_page_is_paged_from_the_latest_back(ann: Client, user: User) -> None:
    for number in range(120):
        audit.record(Act.JOB_MADE, account=user, label=f"file-{number:03}.csv")
    page, seen = ann.get(PAGE), []
    while True:
        seen += [row["label"] for row in page.context["rows"] if row["label"]]
        if page.context["older"] is None:
            break
        page = ann.get(f"{PAGE}?before={page.context['older']}")
    assert seen == [f"file-{number:03}.csv" for number in reversed(range(120))]


@pytest.mark.parametrize("before", ["x", "-1", "9" * 40, "²", "%00"])
def test_an_address_that_nobody_made_shows_the_latest(ann: Client, before: str) -> None:
    assert not ann.get(f"{PAGE}?before={before}").context["is_older"]


def test_with_the_account_goes_what_tells_of_the_person_and_nothing_else(
    ann: Client, user: User, stranger: User, finished: Finished
) -> None:
    job = finished(DATA, name="mine.csv")
    ann.get(f"/jobs/{job.pk}/result.csv").close()
    finished(DATA, name="theirs.csv", owner=stranger)
    Client(REMOTE_ADDR="192.0.2.9").get(f"/shared/{shares.token(shares.create(job, days=1))}/")
    number, before = user.pk, acts(account=user)
    others = list(AuditEntry.objects.exclude(account=user).values())
    ann.post("/account/delete", {"email": user.email})
    assert not User.objects.filter(pk=number).exists()
    left = AuditEntry.objects.exclude(pk__in=[each["id"] for each in others]).order_by("pk")
    assert [entry.action for entry in left] == [*before, "account.closed", "account.deleted"]
    assert {(e.account, e.actor, e.address, e.token, e.label) for e in left} == {(None, None, "", "", "")}
    assert left.get(action="account.deleted").object_id == str(number)
    assert list(AuditEntry.objects.filter(pk__in=[each["id"] for each in others]).values()) == others


def test_whoever_deleted_somebodys_account_stays_named(root: Client, user: User) -> None:
    root.post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"})
    entry = AuditEntry.objects.get(action="account.deleted")
    assert (str(entry.actor), entry.via, entry.object_id) == ("root@example.org", Via.ADMIN, str(user.pk))
    # Django's own log would keep the address of whoever was deleted.
    assert not any("ann@example.org" in str(row) for row in [*AuditEntry.objects.values(), *LogEntry.objects.values()])


def test_a_deletion_that_the_sweep_finishes_forgets_as_much(user: User, make_upload: MakeUpload) -> None:
    make_upload(DATA, name="mine.csv")
    deletion.close(user)
    deletion.finish_all()
    assert not AuditEntry.objects.exclude(label="", account=None).exists()
    assert "job.deleted" not in acts()


def test_what_is_old_is_forgotten(user: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    later = timezone.now() + timedelta(days=401)
    audit.record(Act.LOGGED_IN, account=user)
    assert audit.remove_old() == 0
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)
    settings.AUDIT_DAYS = 0
    assert audit.remove_old() == 0
    settings.AUDIT_DAYS = 400
    assert audit.remove_old() == 1
    assert not AuditEntry.objects.exists()


def test_what_no_request_asked_for_is_the_systems(user: User, make_upload: MakeUpload) -> None:
    lifecycle.cancel(make_upload(DATA, whole=False, chunk=10).jobs.get())
    assert AuditEntry.objects.exists()
    assert not AuditEntry.objects.exclude(via="system", actor=None, account=user).exists()
