"""Somebody else's id, tried at every address that takes one. An address that is in no table here fails, so that no
new view can be without its check; `tests/salesagg/test_api_access.py` does the same for the API's operations."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from allauth.mfa.models import Authenticator
from channels.db import database_sync_to_async
from django.apps import apps
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from accounts import tokens
from accounts.models import ApiToken, AuditEntry, User
from reports import shares
from reports.models import Customer, Delivery, Job, Share, Webhook
from reports.routing import websocket_urlpatterns
from reports.rpc.stubs import sales_pb2
from reports.rpc.stubs.sales_pb2_grpc import SalesServiceStub
from tests.conftest import MakeUpload, MakeUser
from tests.reports.rpc.conftest import channel, server, stub
from tests.salesagg.test_api_access import OPERATIONS
from uploads.models import Part, Upload

__all__ = ["channel", "server", "stub"]

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = b"Department,Date,Sales\nToys,2026-01-02,3\nToys,2026-01-02,x\n"
CUSTOMERS = b"name,email,company\nAda,ada@example.org,Engines\n"

_OF_JOBS = (
    *("report", "report_body", "report_table", "rejected", "cancel_job", "retry_job", "run_again"),
    *("undo_job", "remove_job", "create_share"),
)
_OF_WEBHOOKS = ("webhook", "webhook_log", "test_webhook", "switch_webhook", "renew_webhook_secret", "delete_webhook")
# What stands in the addresses of our own pages: the names of things in `owned`, by the address's name.
PAGES: dict[str, dict[str, str]] = {
    **{name: {"pk": "job"} for name in _OF_JOBS},
    "result": {"pk": "job", "kind": "format"},
    "revoke_share": {"pk": "job", "share": "share"},
    "customer": {"pk": "customer"},
    "delete_customer": {"pk": "customer"},
    "make_report": {"pk": "upload"},
    "delete_file": {"pk": "upload"},
    **{name: {"pk": "webhook"} for name in _OF_WEBHOOKS},
    "redeliver": {"pk": "webhook", "delivery": "delivery"},
    "upload": {"pk": "upload"},
    "account_revoke_token": {"pk": "token"},
    "account_end_session": {"pk": "session"},
    "mfa_edit_webauthn": {"pk": "passkey"},
    "mfa_remove_webauthn": {"pk": "passkey"},
}
# Whoever has the address may: it is a secret, signed by us.
SECRETS = {
    *("shared", "shared_table", "shared_result"),
    *("account_confirm_email", "account_reset_password_from_key"),
}
METHODS = ("get", "post", "head", "put", "patch", "delete")


def routes(patterns: Any = None, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address that has something to be filled in."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if not isinstance(pattern, URLPattern):
            yield from routes(pattern.url_patterns, route)
        elif "<" in route:
            yield route, pattern


ROUTES = list(routes())


@pytest.fixture
def owned(
    user: User, ann: Client, token: str, finished: Callable[..., Job], imported: Callable[..., Job]
) -> dict[str, Any]:
    """Some of everything that can belong to somebody."""
    ann.get("/account/")
    job = finished(GOOD)
    imported(CUSTOMERS)
    webhook = Webhook.objects.create(owner=user, url="https://example.org/hook", secret="whsec_c2VjcmV0")
    delivery = Delivery.objects.create(webhook=webhook, event="test", body="{}", state=Delivery.State.FAILED)
    sessions = apps.get_model("usersessions", "UserSession")
    return {
        "job": job.pk,
        "share": shares.create(job, days=1).pk,
        "format": "csv",
        "upload": job.upload_id,
        "customer": Customer.objects.get().pk,
        "webhook": webhook.pk,
        "delivery": delivery.pk,
        "token": ApiToken.objects.get().pk,
        "session": sessions.objects.get().pk,
        "passkey": Authenticator.objects.create(user=user, type="webauthn", data={"name": "phone"}).pk,
    }


def everything() -> list[Any]:
    """Whatever could have been changed."""
    models: list[Any] = [Job, Upload, Part, Share, Customer, Webhook, Delivery, ApiToken, Authenticator, User]
    # When somebody was last here is no matter of theirs.
    kept = [
        [{key: value for key, value in row.items() if key != "last_login"} for row in rows]
        for rows in (model._default_manager.order_by("pk").values() for model in models)
    ]
    return [*kept, AuditEntry.objects.filter(account__email="ann@example.org").count()]


def test_every_address_with_an_id_is_in_a_table() -> None:
    api = {path.removeprefix("/") for _method, path, _operation in OPERATIONS.values()}
    unknown = []
    for route, pattern in ROUTES:
        if route.startswith("api/"):
            described = route.replace("<uuidstr:", "{").replace("<int:", "{").replace("<", "{").replace(">", "}")
            known = described in api
        else:
            known = route.startswith("admin/") or pattern.name in PAGES or pattern.name in SECRETS
        if not known:
            unknown.append(route)
    assert unknown == []
    assert len(ROUTES) > 80


def test_live_sockets_and_calls_with_an_id_are_known() -> None:
    # The socket's one address has no id in it; what it is asked for: `test_nobody_elses_job_is_told_for_the_asking`.
    assert [str(pattern.pattern) for pattern in websocket_urlpatterns] == ["ws/jobs/", ""]
    methods = sales_pb2.DESCRIPTOR.services_by_name["SalesService"].methods_by_name
    assert set(methods) == {*CALLS, "UploadCSV"}


@pytest.mark.parametrize("who", ["stranger", "staff"])
def test_at_no_page_is_somebody_elses_thing_there(
    who: str, owned: dict[str, Any], stranger: User, make_user: MakeUser, client_of: Callable[[User], Client]
) -> None:
    staff = make_user("root@example.org", is_staff=True, is_superuser=True)
    asker = client_of(stranger if who == "stranger" else staff)
    before = everything()
    for name, keys in PAGES.items():
        address = reverse(name, kwargs={key: owned[thing] for key, thing in keys.items()})
        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"} if name == "upload" else {}
        answers = {method: getattr(asker, method)(address, headers=headers).status_code for method in METHODS}
        # 405: it has no such method for anybody; 415: nor takes the method what was sent.
        assert set(answers.values()) <= {404, 405, 415}, (name, answers)
        assert 404 in answers.values(), name
    assert everything() == before


def test_at_no_page_is_it_there_for_nobody(owned: dict[str, Any]) -> None:
    before = everything()
    for name, keys in PAGES.items():
        address = reverse(name, kwargs={key: owned[thing] for key, thing in keys.items()})
        for method in ("get", "post", "delete"):
            response = getattr(Client(), method)(address, headers={"Tus-Resumable": "1.0.0"})
            assert response.status_code in (302, 401, 405), name
            assert response.status_code != 302 or response["Location"].startswith("/accounts/login/"), name
    assert everything() == before


def admin_addresses(owned: dict[str, Any]) -> Iterator[str]:
    for route, pattern in ROUTES:
        if not route.startswith("admin/"):
            continue
        filled = owned["job"] if "reports/job" in route else 1
        keys = pattern.pattern.converters
        if keys:
            names = {key: filled if key in ("pk", "object_id") else 1 for key in keys}
            if pattern.name is not None and "content_type_id" not in keys:
                yield reverse(f"admin:{pattern.name}", kwargs=names)
    for model in ("accounts/user", "accounts/auditentry", "reports/job", "reports/customer", "uploads/upload"):
        yield f"/admin/{model}/"


def test_the_administration_is_for_staff_and_for_those_of_them_who_may(
    owned: dict[str, Any], ann: Client, make_user: MakeUser, client_of: Callable[[User], Client]
) -> None:
    helper = client_of(make_user("helper@example.org", is_staff=True))
    addresses = list(admin_addresses(owned))
    assert len(addresses) > 30
    before = everything()
    for address in addresses:
        for asker in (Client(), ann):
            for method in ("get", "post"):
                response = getattr(asker, method)(address)
                assert response.status_code in (302, 403), address
                assert response.status_code == 403 or "/login/" in response["Location"], address
        assert helper.get(address).status_code in (403, 404, 302, 405), address
        assert helper.post(address).status_code in (403, 404, 302, 405), address
    assert everything() == before


CALLS = {
    "DownloadResult": (sales_pb2.DownloadRequest, "result_id"),
    "StreamResult": (sales_pb2.DownloadRequest, "result_id"),
    "GetJobStatus": (sales_pb2.JobStatusRequest, "job_id"),
    "WatchJob": (sales_pb2.WatchJobRequest, "job_id"),
    "CancelJob": (sales_pb2.CancelJobRequest, "job_id"),
}


@pytest.mark.parametrize("method", CALLS)
async def test_by_no_call_is_somebody_elses_job_there(
    method: str, stub: SalesServiceStub, stranger: User, make_upload: MakeUpload
) -> None:
    in_thread: Any = database_sync_to_async
    job = await in_thread(lambda: make_upload(GOOD, whole=False, chunk=10).jobs.get())()
    secret = await in_thread(lambda: tokens.issue(stranger, name="theirs"))()
    request, field = CALLS[method]
    call = getattr(stub, method)(request(**{field: str(job.pk)}), metadata=(("authorization", f"Bearer {secret}"),))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        if method in ("StreamResult", "WatchJob"):
            async for _message in call:
                pass
        else:
            await call
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    await in_thread(job.refresh_from_db)()
    assert (job.status, job.cancel_requested) == (Job.Status.PENDING, False)
