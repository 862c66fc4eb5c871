"""Encryption, and clients that are known by their certificates: real ones, on a real port."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from django.core.exceptions import ImproperlyConfigured
from grpc import StatusCode

from accounts.models import User
from reports.rpc import tls
from reports.rpc.server import Server
from reports.rpc.stubs.sales_pb2 import JobStatusRequest, UploadRequest
from reports.rpc.stubs.sales_pb2_grpc import SalesServiceStub
from tests.conftest import MakeUser
from tests.files import sales_csv
from tests.reports.rpc.conftest import in_thread
from tests.services.authority import Authority, Pair

pytestmark = pytest.mark.django_db(transaction=True)
NOBODYS = JobStatusRequest(job_id="00000000-0000-4000-8000-000000000000")


@pytest.fixture(scope="module")
def ours() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def others() -> Authority:
    return Authority("Another")


@pytest.fixture
def configured(ours: Authority, settings: Any, tmp_path: Path) -> None:
    """A certificate for the server; clients must have one too."""
    pair = ours.issue("localhost")
    for name, contents in (("CERTIFICATE", pair.certificate), ("KEY", pair.key), ("CLIENT_CA", ours.certificate)):
        path = tmp_path / f"{name.lower()}.pem"
        path.write_bytes(contents)
        setattr(settings, f"GRPC_TLS_{name}", str(path))


@pytest.fixture
async def target(configured: None) -> AsyncIterator[str]:
    server = Server("127.0.0.1:0", credentials=tls.credentials())
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.stop(0)


def connect(target: str, authority: Authority, pair: Pair | None = None) -> grpc.aio.Channel:
    """A channel of a client that trusts `authority` and shows `pair`."""
    shown = (pair.key, pair.certificate) if pair is not None else (None, None)
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(authority.certificate, *shown))


async def code_of(channel: grpc.aio.Channel, **options: Any) -> StatusCode:
    """What comes of asking for a job that is not there: NOT_FOUND when the caller is somebody."""
    stub: Any = SalesServiceStub(channel)  # type: ignore[no-untyped-call]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetJobStatus(NOBODYS, timeout=20, **options)
    return caught.value.code()


async def test_who_has_a_certificate_of_an_account_needs_no_token(
    target: str, ours: Authority, user: User, worker: None
) -> None:
    async with connect(target, ours, ours.issue("Ann@Example.org")) as channel:
        stub: Any = SalesServiceStub(channel)  # type: ignore[no-untyped-call]
        request = UploadRequest(data=sales_csv(10), filename="sales.csv")
        answer = await stub.UploadCSV(iter([request]), timeout=20)
        assert answer.rows == 10
    assert await in_thread(user.jobs.count)() == 1


async def test_a_certificate_that_names_no_account_is_nobodys(target: str, ours: Authority, user: User) -> None:
    async with connect(target, ours, ours.issue("nobody@example.org")) as channel:
        assert await code_of(channel) is StatusCode.UNAUTHENTICATED


async def test_nor_is_one_of_an_account_that_was_switched_off(
    target: str, ours: Authority, make_user: MakeUser
) -> None:
    async with connect(target, ours, ours.issue("off@example.org")) as channel:
        await in_thread(make_user)("off@example.org", is_active=False)
        assert await code_of(channel) is StatusCode.UNAUTHENTICATED


async def test_without_a_certificate_nobody_may_connect(target: str, ours: Authority, auth: Any) -> None:
    async with connect(target, ours) as channel:
        assert await code_of(channel, metadata=auth) is StatusCode.UNAVAILABLE


async def test_nor_with_one_of_another_authority(target: str, ours: Authority, others: Authority, user: User) -> None:
    async with connect(target, ours, others.issue(user.email)) as channel:
        assert await code_of(channel) is StatusCode.UNAVAILABLE


async def test_nor_without_encryption(target: str, auth: Any) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        assert await code_of(channel, metadata=auth) is StatusCode.UNAVAILABLE


async def test_of_certificate_and_token_the_token_counts(
    target: str, ours: Authority, user: User, auth: Any, make_user: MakeUser
) -> None:
    async with connect(target, ours, ours.issue("nobody@example.org")) as channel:
        assert await code_of(channel, metadata=auth) is StatusCode.NOT_FOUND
    async with connect(target, ours, ours.issue(user.email)) as channel:
        assert await code_of(channel) is StatusCode.NOT_FOUND
        wrong = (("authorization", "Bearer wrong"),)
        assert await code_of(channel, metadata=wrong) is StatusCode.UNAUTHENTICATED


async def test_with_a_certificate_of_the_server_alone_clients_come_with_tokens(
    configured: None, settings: Any, ours: Authority, user: User, auth: Any
) -> None:
    settings.GRPC_TLS_CLIENT_CA = ""
    server = Server("127.0.0.1:0", credentials=tls.credentials())
    await server.start()
    async with connect(f"127.0.0.1:{server.port}", ours, ours.issue(user.email)) as channel:
        assert await code_of(channel, metadata=auth) is StatusCode.NOT_FOUND
        # A certificate that nobody asked for, and so nobody looked at, says nothing.
        assert await code_of(channel) is StatusCode.UNAUTHENTICATED
    await server.stop(0)


def test_without_settings_nothing_is_encrypted() -> None:
    assert tls.credentials() is None


@pytest.mark.parametrize(
    ("unset", "named"),
    [
        ({"CERTIFICATE"}, "GRPC_TLS_CERTIFICATE is not set"),
        ({"KEY"}, "GRPC_TLS_KEY is not set"),
        ({"CERTIFICATE", "KEY"}, "GRPC_TLS_CERTIFICATE is not set"),
    ],
)
def test_half_of_the_settings_are_refused(configured: None, settings: Any, unset: set[str], named: str) -> None:
    for name in unset:
        setattr(settings, f"GRPC_TLS_{name}", "")
    with pytest.raises(ImproperlyConfigured, match=named):
        tls.credentials()


@pytest.mark.parametrize("name", ["CERTIFICATE", "KEY", "CLIENT_CA"])
def test_a_file_that_is_not_there_is_named_with_its_setting(configured: None, settings: Any, name: str) -> None:
    setattr(settings, f"GRPC_TLS_{name}", "/no/such/file.pem")
    with pytest.raises(ImproperlyConfigured, match=f"GRPC_TLS_{name} cannot be read: /no/such/file.pem: No such file"):
        tls.credentials()


@pytest.mark.parametrize("name", ["CERTIFICATE", "KEY", "CLIENT_CA"])
@pytest.mark.parametrize(
    "contents", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_with_something_else_is_refused(configured: None, settings: Any, name: str, contents: bytes) -> None:
    Path(getattr(settings, f"GRPC_TLS_{name}")).write_bytes(contents)
    with pytest.raises(ImproperlyConfigured, match=f"GRPC_TLS_{name}"):
        tls.credentials()


def test_a_key_of_another_certificate_is_refused(configured: None, settings: Any, ours: Authority) -> None:
    Path(settings.GRPC_TLS_KEY).write_bytes(ours.issue("localhost").key)
    with pytest.raises(ImproperlyConfigured, match="its own key"):
        tls.credentials()
