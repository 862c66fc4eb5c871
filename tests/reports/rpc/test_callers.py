"""Who may call: every method asks, and by the same rules as the rest of the API."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.errors import Refusal
from accounts.models import ApiToken, User
from reports.models import Job
from reports.rpc import callers
from reports.rpc.callers import Peer
from reports.rpc.server import Server
from reports.rpc.stubs import sales_pb2
from reports.rpc.stubs.sales_pb2_grpc import SalesServiceStub
from tests.accounts.test_jwt import Program
from tests.files import sales_csv
from tests.reports.rpc.calling import Metadata, all_of, bearer, refused
from tests.reports.rpc.conftest import in_thread

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(50)
METHODS = list(sales_pb2.DESCRIPTOR.services_by_name["SalesService"].methods)
NAMES = [method.name for method in METHODS]
# What a token that may only read is not for.
WRITING = {"UploadCSV", "CancelJob"}
ANYBODY = "anybody@example.org"
MakeJob = Callable[..., Job]


async def call(channel: grpc.aio.Channel, name: str, auth: Metadata = (), *, job_id: str = "nonsense") -> Any:
    """Call the method, whatever it is, about the job of this id; an upload is an empty one."""
    method: Any = next(method for method in METHODS if method.name == name)
    request = method.input_type._concrete_class()
    for field in request.DESCRIPTOR.fields:
        if field.name in ("job_id", "result_id"):
            setattr(request, field.name, job_id)
    made = getattr(SalesServiceStub(channel), name)  # type: ignore[no-untyped-call]
    calling = made(iter([request]) if method.client_streaming else request, metadata=auth, timeout=30)
    return await (all_of(calling) if method.server_streaming else calling)


async def let_in(channel: grpc.aio.Channel, name: str, auth: Metadata = ()) -> bool:
    """Whether the call comes to its method, which then has something against what is in it."""
    refusal = await refused(call(channel, name, auth))
    if refusal.code.name in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return False
    assert refusal.kind in {("INVALID_ARGUMENT", "invalid_id"), ("INVALID_ARGUMENT", "empty_file")}
    return True


def test_these_are_all_the_methods() -> None:
    assert set(NAMES) == WRITING | {"DownloadResult", "StreamResult", "GetJobStatus", "WatchJob"}


@pytest.mark.parametrize("name", NAMES)
async def test_without_a_valid_token_nothing_is_done(channel: Any, token: str, user: User, name: str) -> None:
    expired = await in_thread(tokens.issue)(user, name="old", days=1)
    await in_thread(ApiToken.objects.filter(name="old").update)(expires_at=timezone.now() - timedelta(seconds=1))
    revoked = await in_thread(tokens.issue)(user, name="gone")
    await in_thread(ApiToken.objects.filter(name="gone").update)(revoked_at=timezone.now())
    bad = ["", "Bearer", f"Bearer {token}x", f"Basic {token}", token, "Bearer a.b.c", f"Bearer {'x' * 5000}"]
    for header in [None, *bad, f"Bearer {expired}", f"Bearer {revoked}"]:
        auth = () if header is None else (("authorization", header),)
        refusal = await refused(call(channel, name, auth))
        assert refusal.kind == ("UNAUTHENTICATED", "unauthorized"), header
    await in_thread(User.objects.update)(is_active=False)
    assert (await refused(call(channel, name, bearer(token)))).kind == ("UNAUTHENTICATED", "unauthorized")
    assert not await in_thread(Job.objects.exists)()


@pytest.mark.parametrize("name", NAMES)
async def test_a_token_that_may_only_read_reads(channel: Any, user: User, name: str) -> None:
    reader = bearer(await in_thread(tokens.issue)(user, name="reader", scopes=ApiToken.Scopes.READ))
    if name not in WRITING:
        assert await let_in(channel, name, reader)
        return
    refusal = await refused(call(channel, name, reader))
    assert refusal.kind == ("PERMISSION_DENIED", "insufficient_scope")
    assert "“write”" in refusal.message
    assert not await in_thread(Job.objects.exists)()


@pytest.mark.parametrize("name", NAMES)
async def test_a_token_lets_in(channel: Any, auth: Metadata, worker: None, name: str) -> None:
    assert await let_in(channel, name, auth)


@pytest.mark.parametrize("name", NAMES)
async def test_a_json_web_token_lets_in(channel: Any, user: User, worker: None, name: str) -> None:
    program = await in_thread(Program)()
    assert await let_in(channel, name, bearer(program.access))
    assert not await let_in(channel, name, bearer(program.refresh))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"UploadCSV"}))
async def test_nobody_finds_what_is_anothers(
    channel: Any, auth: Metadata, make_job: MakeJob, stranger: User, name: str
) -> None:
    theirs = await in_thread(make_job)(DATA, owner=stranger)
    assert (await refused(call(channel, name, auth, job_id=str(theirs.pk)))).kind == ("NOT_FOUND", "not_found")


class TestAnonymous:
    """GRPC_ANONYMOUS_USER, for trusted networks."""

    @pytest.fixture(autouse=True)
    def _allowed(self, settings: LazySettings) -> None:
        settings.GRPC_ANONYMOUS_USER = ANYBODY

    @pytest.fixture
    def anybody(self, make_user: Callable[..., User]) -> User:
        return make_user(ANYBODY)

    @pytest.mark.parametrize("name", NAMES)
    async def test_who_has_no_token_is_that_user(self, channel: Any, anybody: User, worker: None, name: str) -> None:
        assert await let_in(channel, name)
        assert {job.owner_id async for job in Job.objects.all()} <= {anybody.pk}

    async def test_who_has_one_is_not(self, channel: Any, anybody: User, auth: Metadata, make_job: MakeJob) -> None:
        theirs = await in_thread(make_job)(DATA, owner=anybody)
        refusal = await refused(call(channel, "GetJobStatus", auth, job_id=str(theirs.pk)))
        assert refusal.code is grpc.StatusCode.NOT_FOUND
        assert (await call(channel, "GetJobStatus", job_id=str(theirs.pk))).job_id == str(theirs.pk)

    @pytest.mark.parametrize("name", NAMES)
    async def test_a_wrong_token_is_refused_all_the_same(self, channel: Any, anybody: User, name: str) -> None:
        assert not await let_in(channel, name, bearer("salesagg_wrong"))
        assert not await let_in(channel, name, (("authorization", ""),))

    async def test_an_account_that_there_is_not_lets_nobody_in(self, channel: Any) -> None:
        refusal = await refused(call(channel, "GetJobStatus"))
        assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
        assert "GRPC_ANONYMOUS_USER" in refusal.message

    async def test_nor_one_that_is_locked(self, channel: Any, anybody: User) -> None:
        await in_thread(User.objects.update)(is_active=False)
        assert not await let_in(channel, "GetJobStatus")

    async def test_nothing_that_comes_through_the_web_server_is_anonymous(
        self, anybody: User, auth: Metadata, tmp_path: Any
    ) -> None:
        server = Server(f"unix:{tmp_path}/bridge")
        await server.start()
        async with grpc.aio.insecure_channel(f"unix:{tmp_path}/bridge") as channel:
            for name in NAMES:
                assert not await let_in(channel, name)
            assert await let_in(channel, "GetJobStatus", auth)
        await server.stop(0)


@pytest.mark.parametrize(
    ("address", "ip"),
    [
        ("ipv4:192.0.2.7:50412", "192.0.2.7"),
        ("ipv6:[2001:db8::7]:50412", "2001:db8::7"),
        ("ipv6:%5B2001:db8::7%5D:50412", "2001:db8::7"),
        ("ipv6:%5Bfe80::1%25eth0%5D:50412", "fe80::1%eth0"),
        ("ipv6:%5B::ffff:192.0.2.7%5D:50412", "192.0.2.7"),
        ("unix:/run/salesagg.sock", None),
        ("unix:", None),
        ("unknown", None),
        ("ipv4:nonsense:1", None),
        ("", None),
    ],
)
def test_the_address_of_a_caller(address: str, ip: str | None) -> None:
    assert Peer(address).ip() == ip
    # That of a proxy which nobody has said is there is what anybody may write.
    assert Peer(address).ip("203.0.113.1") == ip


@pytest.mark.parametrize(
    ("forwarded_for", "ip"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("198.51.100.9, 203.0.113.1", "203.0.113.1"),
        ("forged, 2001:db8::1", "2001:db8::1"),
        ("", "192.0.2.7"),
        ("203.0.113.1, ", "192.0.2.7"),
        ("203.0.113.1, nonsense", "192.0.2.7"),
        ("1.2.3.4.5\0' OR 1", "192.0.2.7"),
        ("9" * 5000, "192.0.2.7"),
    ],
)
def test_behind_a_proxy_it_is_that_which_the_proxy_has_seen(
    settings: LazySettings, forwarded_for: str, ip: str
) -> None:
    settings.BEHIND_PROXY = True
    assert Peer("ipv4:192.0.2.7:1").ip(forwarded_for) == ip
    assert Peer("unix:/run/bridge").ip(forwarded_for) is None


@pytest.fixture
def _in_one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No minute ends during the test."""
    monkeypatch.setattr("accounts.ratelimit.time.time", lambda: 1_800_000_010.0)


class TestLimits:
    @pytest.fixture(autouse=True)
    def _time(self, _in_one_window: None) -> None: ...

    async def test_of_one_user(self, channel: Any, auth: Metadata, stranger: User, settings: LazySettings) -> None:
        settings.API_REQUESTS_PER_MINUTE = 3
        for name in ("GetJobStatus", "WatchJob", "DownloadResult"):
            assert await let_in(channel, name, auth)
        refusal = await refused(call(channel, "UploadCSV", auth))
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "too_many_requests")
        assert refusal.retry_seconds == 51
        assert await let_in(channel, "GetJobStatus", bearer(await in_thread(tokens.issue)(stranger, name="theirs")))

    async def test_they_are_counted_with_those_over_http(
        self, channel: Any, auth: Metadata, token: str, settings: LazySettings
    ) -> None:
        settings.API_REQUESTS_PER_MINUTE = 2
        headers = {"Authorization": f"Bearer {token}"}
        assert (await in_thread(Client().get)("/api/jobs", headers=headers)).status_code == 200
        assert await let_in(channel, "GetJobStatus", auth)
        assert (await refused(call(channel, "GetJobStatus", auth))).reason == "too_many_requests"

    async def test_of_one_address_whoever_calls(self, channel: Any, auth: Metadata, settings: LazySettings) -> None:
        settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 2
        for _ in range(2):
            assert not await let_in(channel, "GetJobStatus", bearer("guessed"))
        refusal = await refused(call(channel, "GetJobStatus", auth))
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "too_many_requests")

    async def test_behind_a_proxy_each_has_its_own(self, channel: Any, settings: LazySettings) -> None:
        settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 1
        settings.BEHIND_PROXY = True
        for address in ("203.0.113.1", "203.0.113.2"):
            assert (await refused(call(channel, "WatchJob", (("x-forwarded-for", address),)))).reason == "unauthorized"
        refusal = await refused(call(channel, "WatchJob", (("x-forwarded-for", "9.9.9.9, 203.0.113.2"),)))
        assert refusal.reason == "too_many_requests"

    def test_who_comes_through_the_web_server_was_counted_there(self, settings: LazySettings) -> None:
        settings.API_REQUESTS_PER_MINUTE_PER_ADDRESS = 1
        for _ in range(3):
            with pytest.raises(Refusal) as error:
                callers.identify({}, Peer("unix:/run/bridge"), scope="read")
            assert error.value.code == "unauthorized"


def test_a_certificate_that_names_an_account_needs_no_token(user: User, token: str, stranger: User) -> None:
    certified = Peer("ipv4:192.0.2.7:1", certified="ANN@example.org")
    assert callers.identify({}, certified, scope="write").user == user
    # A token comes first, and a wrong one is not made up for by the certificate.
    theirs = tokens.issue(stranger, name="theirs")
    assert callers.identify({"authorization": f"Bearer {theirs}"}, certified, scope="read").user == stranger
    for metadata, peer in (
        ({"authorization": "Bearer wrong"}, certified),
        ({}, Peer("ipv4:192.0.2.7:1", certified="nobody")),
    ):
        with pytest.raises(Refusal) as error:
            callers.identify(metadata, peer, scope="read")
        assert error.value.code == "unauthorized"
