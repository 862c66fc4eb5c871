"""What a caller can cost: nothing before it is known, and little in any case."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from accounts.errors import Refusal
from reports.models import Job
from reports.rpc import guard, receiving, requests
from reports.rpc.limits import Budget, Places
from reports.rpc.server import Server
from reports.rpc.stubs.sales_pb2 import JobStatusRequest, UploadRequest
from reports.rpc.stubs.sales_pb2_grpc import SalesServiceStub
from tests.files import sales_csv
from tests.reports.rpc.calling import Expected, Metadata, Refused, all_of, bearer, refused
from tests.reports.rpc.conftest import in_thread
from tests.reports.rpc.test_callers import NAMES

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(500)
HEALTH = "/grpc.health.v1.Health/Check"


async def first_word(channel: grpc.aio.Channel, path: str, auth: Metadata = ()) -> Refused:
    """How a call ends of which only the headers are sent."""
    call: Any = channel.stream_stream(path)(metadata=auth, timeout=20)
    return await refused(all_of(call))


@pytest.mark.parametrize("name", NAMES)
async def test_caller_without_token_is_refused_before_any_message(channel: Any, name: str) -> None:
    for auth in ((), bearer("salesagg_wrong")):
        refusal = await first_word(channel, f"/sales.v1.SalesService/{name}", auth)
        assert refusal.kind == ("UNAUTHENTICATED", "unauthorized")


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"UploadCSV"}))
async def test_request_whose_message_does_not_come_is_ended(
    channel: Any, auth: Metadata, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(guard, "ARRIVAL_SECONDS", 0.1)
    refusal = await first_word(channel, f"/sales.v1.SalesService/{name}", auth)
    assert refusal.kind == ("DEADLINE_EXCEEDED", "message_timeout")


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"UploadCSV"}))
async def test_request_without_a_file_is_small(channel: Any, auth: Metadata, name: str) -> None:
    call: Any = channel.stream_stream(f"/sales.v1.SalesService/{name}")
    message = JobStatusRequest(job_id="x" * requests.SMALL_BYTES).SerializeToString()
    refusal = await refused(all_of(call(iter([message]), metadata=auth, timeout=20)))
    assert refusal.kind == ("RESOURCE_EXHAUSTED", "body_too_large")


class TestGzip:
    @pytest.fixture
    async def packing(self, server: Server) -> AsyncIterator[grpc.aio.Channel]:
        address = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(address, compression=grpc.Compression.Gzip) as channel:
            yield channel

    async def test_upload_by_packed_messages_has_the_right_result(
        self, packing: Any, auth: Metadata, worker: None
    ) -> None:
        stub: Any = SalesServiceStub(packing)  # type: ignore[no-untyped-call]
        messages = [UploadRequest(data=DATA[start : start + 3000]) for start in range(0, len(DATA), 3000)]
        Expected.of(DATA).check(await stub.UploadCSV(iter(messages), metadata=auth, timeout=60))

    async def test_packed_health_check_is_answered(self, packing: Any) -> None:
        health: Any = HealthStub(packing)
        answer = await health.Check(HealthCheckRequest(service="sales.v1.SalesService"), timeout=20)
        assert answer.status == HealthCheckResponse.SERVING

    async def test_packed_health_check_that_is_large_is_refused(self, packing: Any) -> None:
        check: Any = packing.unary_unary(HEALTH)
        refusal = await refused(check(bytes(20 << 20), timeout=20))
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "body_too_large")

    @pytest.mark.parametrize(
        "packed",
        [
            gzip.compress(DATA)[:-4] + b"\1\0\0\0",
            gzip.compress(DATA)[:-5],
            gzip.compress(DATA)[:-1],
            gzip.compress(DATA[:9]) + gzip.compress(DATA[9:]),
            gzip.compress(b"no message"),
            b"\x1f\x8b",
            b"\x1f\x8b\0\0\0\0",
        ],
        ids=["false size", "cut", "cut size", "two members", "no message", "magic alone", "empty"],
    )
    async def test_damaged_packed_message_is_refused(self, channel: Any, auth: Metadata, packed: bytes) -> None:
        upload: Any = channel.stream_unary("/sales.v1.SalesService/UploadCSV")
        refusal = await refused(upload(iter([packed]), metadata=auth, timeout=20))
        assert refusal.kind in {("INVALID_ARGUMENT", "bad_message"), ("RESOURCE_EXHAUSTED", "body_too_large")}
        assert not await in_thread(Job.objects.exists)()

    async def test_message_that_unpacks_beyond_the_limit_is_refused(
        self, packing: Any, auth: Metadata, settings: Any
    ) -> None:
        stub: Any = SalesServiceStub(packing)  # type: ignore[no-untyped-call]
        message = UploadRequest(data=bytes(settings.MAX_BODY_BYTES))
        refusal = await refused(stub.UploadCSV(iter([message]), metadata=auth, timeout=20))
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "body_too_large")

    async def test_deflate_is_refused_by_name(self, server: Server, auth: Metadata) -> None:
        address = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(address, compression=grpc.Compression.Deflate) as channel:
            stub: Any = SalesServiceStub(channel)  # type: ignore[no-untyped-call]
            refusal = await refused(stub.UploadCSV(iter([UploadRequest(data=DATA)]), metadata=auth, timeout=20))
        assert refusal.code is grpc.StatusCode.UNIMPLEMENTED
        assert "deflate" in refusal.message


class TestWithoutToken:
    """Health and reflection, which anybody may call."""

    async def test_one_address_watches_health_so_often_and_no_more(
        self, channel: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guard, "OPEN_CALLS_PER_ADDRESS", 2)
        health: Any = HealthStub(channel)
        calls = [health.Watch(HealthCheckRequest(), timeout=20) for _ in range(2)]
        for call in calls:
            assert (await call.read()).status == HealthCheckResponse.SERVING
        refusal = await refused(all_of(health.Watch(HealthCheckRequest(), timeout=20)))
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "too_many_streams")
        assert refusal.retry_seconds
        calls[0].cancel()
        async with asyncio.timeout(20):
            while (again := await health.Watch(HealthCheckRequest(), timeout=20).read()) is grpc.aio.EOF:
                pass
        assert again.status == HealthCheckResponse.SERVING

    async def test_behind_a_proxy_each_address_has_its_own(
        self, channel: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.BEHIND_PROXY = True
        monkeypatch.setattr(guard, "OPEN_CALLS_PER_ADDRESS", 1)
        health: Any = HealthStub(channel)
        for address in ("203.0.113.1", "203.0.113.2"):
            call = health.Watch(HealthCheckRequest(), metadata=(("x-forwarded-for", address),), timeout=20)
            assert (await call.read()).status == HealthCheckResponse.SERVING

    async def test_check_whose_message_does_not_come_is_ended(
        self, channel: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(requests, "OPEN_ARRIVAL_SECONDS", 0.1)
        assert (await first_word(channel, HEALTH)).kind == ("DEADLINE_EXCEEDED", "message_timeout")

    async def test_messages_that_have_not_come_are_few(self, channel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guard, "OPEN_READS_PER_ADDRESS", 1)
        calls = [asyncio.create_task(first_word(channel, HEALTH)) for _ in range(2)]
        done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert [call.result().kind for call in done] == [("RESOURCE_EXHAUSTED", "too_many_streams")]
        for call in waiting:
            call.cancel()

    async def test_large_check_is_refused(self, channel: Any) -> None:
        check: Any = channel.unary_unary(HEALTH)
        refusal = await refused(check(bytes(1 << 20), timeout=20))
        assert refusal.kind == ("RESOURCE_EXHAUSTED", "body_too_large")

    async def test_reflection_answers_so_many_messages_of_a_call(
        self, channel: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(requests, "OPEN_MESSAGES", 5)
        asked = [ServerReflectionRequest(list_services="*")] * 50
        stub: Any = ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter(asked), timeout=20)
        assert len(await all_of(call)) == 5

    async def test_reflection_ends_a_call_that_asks_no_more(
        self, channel: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(requests, "OPEN_ARRIVAL_SECONDS", 0.1)
        stub: Any = ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(timeout=20)
        await call.write(ServerReflectionRequest(list_services="*"))
        assert len(await all_of(call)) == 1


async def test_account_has_so_many_uploads_under_way_and_no_more(
    stub: Any, auth: Metadata, settings: Any, worker: None, stranger: Any
) -> None:
    settings.GRPC_UPLOADS_PER_ACCOUNT = 1
    call = stub.UploadCSV(metadata=auth, timeout=60)
    await call.write(UploadRequest(data=DATA[:1000]))
    await call.initial_metadata()
    refusal = await refused(stub.UploadCSV(iter([UploadRequest(data=DATA)]), metadata=auth, timeout=20))
    assert refusal.kind == ("RESOURCE_EXHAUSTED", "too_many_streams")
    assert await in_thread(Job.objects.count)() == 1
    await call.write(UploadRequest(data=DATA[1000:], eof=True))
    Expected.of(DATA).check(await call)
    Expected.of(DATA).check(await stub.UploadCSV(iter([UploadRequest(data=DATA)]), metadata=auth, timeout=60))


@pytest.mark.parametrize("moment", ["while the file comes", "after its end"])
async def test_endless_messages_without_data_are_refused(
    stub: Any, auth: Metadata, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(receiving, "MOST_EMPTY", 10)
    call = stub.UploadCSV(metadata=auth, timeout=60)
    await call.write(UploadRequest(data=DATA, eof=moment == "after its end"))
    for _ in range(11):
        await call.write(UploadRequest())
    # The stream stays open, and nobody works on the job.
    assert (await refused(call)).kind == ("INVALID_ARGUMENT", "empty_messages")


async def test_uploads_that_begin_at_once_share_what_may_be_held(
    stub: Any, auth: Metadata, monkeypatch: pytest.MonkeyPatch, worker: None
) -> None:
    seen: list[int] = []
    begin = receiving._File.begin

    async def noted(file: Any, first: Any) -> Job:
        seen.append(len(receiving._taking))
        return await begin(file, first)

    monkeypatch.setattr(receiving._File, "begin", noted)
    await asyncio.gather(
        *(stub.UploadCSV(iter([UploadRequest(data=DATA)]), metadata=auth, timeout=60) for _ in range(5))
    )
    assert max(seen) > 1
    assert min(seen) == 1
    assert not receiving._taking


class TestPlaces:
    def test_each_key_has_its_own_and_all_have_a_total(self) -> None:
        places = Places(per_key=lambda: 1, total=2)
        with places.taken("a", "full"), places.taken("b", "full"):
            for key in ("a", "c"):
                with pytest.raises(Refusal, match="full"), places.taken(key, "full"):
                    pass
        with places.taken("c", "full"):
            pass

    def test_zero_is_any_number(self) -> None:
        places = Places(per_key=lambda: 0)
        with places.taken("a", "full"), places.taken("a", "full"):
            pass


class TestBudget:
    async def test_one_waits_until_there_is_room(self) -> None:
        budget = Budget(10)
        assert await budget.take(8) == 8
        waiting = [asyncio.create_task(budget.take(size)) for size in (5, 1)]
        await asyncio.sleep(0)
        # The small one does not overtake the large one, which would never have its turn.
        assert not any(task.done() for task in waiting)
        budget.give_back(8)
        assert await asyncio.gather(*waiting) == [5, 1]

    async def test_more_than_all_is_all(self) -> None:
        budget = Budget(10)
        assert await budget.take(100) == 10
        budget.give_back(10)
        assert await budget.take(10) == 10

    @pytest.mark.parametrize("granted", [True, False])
    async def test_one_that_is_cancelled_keeps_nothing(self, granted: bool) -> None:
        budget = Budget(10)
        await budget.take(10)
        waiting, behind = (asyncio.create_task(budget.take(size)) for size in (10, 4))
        await asyncio.sleep(0)
        if granted:
            budget.give_back(10)
            waiting.cancel()
        else:
            waiting.cancel()
            budget.give_back(10)
        assert await asyncio.wait_for(behind, 5) == 4
        assert waiting.cancelled()
        assert await asyncio.wait_for(budget.take(6), 5) == 6
