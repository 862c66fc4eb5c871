"""Every operation of the API, tried by the owner of what it is about, by somebody else, by staff, and by nobody.

The operations are those of the API's own description: one that is missing here fails.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts import tokens
from accounts.models import ApiToken, User
from reports import shares, signed
from reports.models import Customer, Delivery, Job, Webhook
from salesagg.api import api
from tests.conftest import MakeUpload, MakeUser, bound_to
from tests.reports.test_downloads import content
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = b"Department,Date,Sales\nToys,2026-01-02,3\nToys,2026-01-02,x\n"
CUSTOMERS = b"name,email,company\nAda,ada@example.org,Engines\n"
DOCUMENT = api.get_openapi_schema()
OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    operation["operationId"]: (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


@dataclass
class World:
    """What belongs to the owner."""

    owner: User
    make_upload: MakeUpload
    finished: Callable[..., Job]

    def done(self) -> dict[str, str]:
        return {"job_id": str(self.finished(GOOD).pk)}

    def failed(self) -> dict[str, str]:
        return {"job_id": str(self.finished(b"no,columns\n1,2\n").pk)}

    def open(self) -> dict[str, str]:
        return {"job_id": str(self.make_upload(GOOD, chunk=10, whole=False).jobs.get().pk)}

    def share(self) -> dict[str, str]:
        job = self.finished(GOOD)
        return {"job_id": str(job.pk), "share_id": str(shares.create(job, days=1).pk)}

    def download(self) -> dict[str, str]:
        job = self.finished(GOOD)
        return {
            "token": signed.token(job.pk, "result.csv", until=signed.expiry(), bound_to=bound_to(job.owner)),
            "file": "result.csv",
        }

    def file(self) -> dict[str, str]:
        return {"file_key": str(self.finished(GOOD).upload_id)}

    def object_in_bucket(self) -> dict[str, str]:
        default_storage.save(f"imports/{self.owner.pk}/sales.csv", ContentFile(GOOD))
        return {}

    def webhook(self) -> dict[str, str]:
        webhook = Webhook.objects.create(owner=self.owner, url="https://example.org/hook", secret="whsec_c2VjcmV0")
        delivery = Delivery.objects.create(webhook=webhook, event="test", body="{}", state=Delivery.State.FAILED)
        return {"webhook_id": str(webhook.pk), "delivery_id": str(delivery.pk)}

    def undoable(self) -> dict[str, str]:
        return {"job_id": str(self.finished(CUSTOMERS, kind="customers").pk)}

    def customer(self) -> dict[str, str]:
        self.undoable()
        return {"customer_id": str(Customer.objects.get(owner=self.owner).pk)}

    def nothing(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True)
class Case:
    """How an operation is asked so that the owner is served: `make` gives what stands in its address."""

    make: Callable[[World], Mapping[str, str]] = World.nothing
    body: Any = None
    files: bool = False
    # What is the asker's own, as a list, is there for everybody who has logged in.
    own: bool = False


CASES = {
    "listJobs": Case(own=True),
    "getJob": Case(World.done),
    "deleteJob": Case(World.done),
    "cancelJob": Case(World.open),
    "retryJob": Case(World.failed),
    "runJobAgain": Case(World.done, body={}),
    "getResultCsv": Case(World.done),
    "getResultXlsx": Case(World.done),
    "getResultJson": Case(World.done),
    "getResultParquet": Case(World.done),
    "getErrors": Case(World.done),
    "listTotals": Case(World.done),
    "listMonths": Case(World.done),
    "getSoFar": Case(World.open),
    "listColumns": Case(World.done),
    "listShares": Case(World.done),
    "createShare": Case(World.done, body={"days": 7}),
    "revokeShare": Case(World.share),
    "processFile": Case(World.file, body={}),
    "streamJob": Case(World.done),
    "uploadJob": Case(files=True, own=True),
    "storeFile": Case(files=True, own=True),
    "listFiles": Case(own=True),
    "importFile": Case(World.object_in_bucket, body={"key": "imports/{owner}/sales.csv"}),
    "getFile": Case(World.file),
    "deleteFile": Case(World.file),
    "getLimits": Case(own=True),
    "listWebhooks": Case(own=True),
    "createWebhook": Case(body={"url": "https://93.184.215.14/hook"}, own=True),
    "getWebhook": Case(World.webhook),
    "changeWebhook": Case(World.webhook, body={"enabled": False}),
    "deleteWebhook": Case(World.webhook),
    "renewWebhookSecret": Case(World.webhook),
    "rotateWebhookSecret": Case(World.webhook),
    "testWebhook": Case(World.webhook),
    "listDeliveries": Case(World.webhook),
    "redeliver": Case(World.webhook),
    "download": Case(World.download),
    "undoJob": Case(World.undoable),
    "listCustomers": Case(World.customer, own=True),
    "exportCustomers": Case(World.customer, own=True),
    "getCustomer": Case(World.customer),
    "changeCustomer": Case(World.customer, body={"name": "Ada Byron"}),
    "deleteCustomer": Case(World.customer),
}


@pytest.fixture
def world(user: User, make_upload: MakeUpload, finished: Callable[..., Job]) -> World:
    return World(user, make_upload, finished)


@pytest.fixture
def staff(make_user: MakeUser) -> User:
    return make_user("root@example.org", is_staff=True, is_superuser=True)


def ask(operation_id: str, world: World, asker: User | None, *, scopes: str = ApiToken.Scopes.WRITE) -> Any:
    case, (method, path, _operation) = CASES[operation_id], OPERATIONS[operation_id]
    given = case.make(world)
    before = snapshot()
    address = re.sub(r"{(\w+)}", lambda found: given[found[1]], path)
    headers = {}
    if asker is not None:
        headers["Authorization"] = f"Bearer {tokens.issue(asker, name='asker', scopes=scopes)}"
    if case.files:
        sent: dict[str, Any] = {"data": {"file": SimpleUploadedFile("sales.csv", GOOD)}}
    elif case.body is not None:
        sent = {"data": {name: _filled(value, world) for name, value in case.body.items()}}
        sent["content_type"] = "application/json"
    else:
        sent = {}
    response = getattr(Client(), method)(address, headers=headers, **sent)
    if response.streaming:
        # What is everybody's own is looked into.
        response.whole = content(response) if case.own else b""
        response.close()
    if response.status_code >= 400:
        assert snapshot() == before
    return response


def _filled(value: Any, world: World) -> Any:
    return value.format(owner=world.owner.pk) if isinstance(value, str) else value


def snapshot() -> list[Any]:
    """Whatever an operation could have changed."""
    return [list(model.objects.order_by("pk").values()) for model in (Job, Upload, Webhook, Delivery, Customer)]


def needs_login(operation_id: str) -> bool:
    return "security" in OPERATIONS[operation_id][2]


def test_every_operation_is_tried() -> None:
    assert set(CASES) == set(OPERATIONS)


@pytest.mark.parametrize("operation_id", CASES)
def test_the_owner_is_served(operation_id: str, world: World) -> None:
    response = ask(operation_id, world, world.owner)
    assert response.status_code in (200, 201, 204), getattr(response, "content", b"")
    assert str(response.status_code) in OPERATIONS[operation_id][2]["responses"]


@pytest.mark.parametrize("who", ["stranger", "staff"])
@pytest.mark.parametrize("operation_id", CASES)
def test_somebody_else_finds_nothing_and_changes_nothing(
    operation_id: str, who: str, world: World, stranger: User, staff: User
) -> None:
    asker = {"stranger": stranger, "staff": staff}[who]
    if not needs_login(operation_id):
        return
    if CASES[operation_id].own:
        # The owner has some of everything; none of it is the asker's.
        theirs = {value for make in (World.done, World.webhook) for value in make(world).values()} | {"ada@example.org"}
        response = ask(operation_id, world, asker)
        assert response.status_code in (200, 201)
        told = (response.whole if response.streaming else response.content).decode()
        assert not any(value in told for value in theirs)
        return
    response = ask(operation_id, world, asker)
    assert (response.status_code, response.json()["code"]) == (
        404,
        "no_such_object" if operation_id == "importFile" else "not_found",
    )


@pytest.mark.parametrize("operation_id", CASES)
def test_nobody_is_told_to_log_in(operation_id: str, world: World) -> None:
    response = ask(operation_id, world, None)
    if needs_login(operation_id):
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
        assert response["WWW-Authenticate"].startswith("Bearer")
    else:
        assert response.status_code == 200


@pytest.mark.parametrize("operation_id", [name for name in CASES if needs_login(name)])
def test_a_token_for_reading_changes_nothing(operation_id: str, world: World) -> None:
    response = ask(operation_id, world, world.owner, scopes=ApiToken.Scopes.READ)
    if OPERATIONS[operation_id][0] == "get":
        assert response.status_code in (200, 204)
    else:
        assert (response.status_code, response.json()["code"]) == (403, "insufficient_scope")
