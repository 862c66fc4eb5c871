"""What the server does besides its methods: health, reflection, other names, limits, and how it ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc import StatusCode
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from accounts import tokens
from accounts.models import User
from reports.models import Job
from reports.rpc import server as running
from reports.rpc.health import Health
from reports.rpc.server import SERVICE, Server
from reports.rpc.stubs.sales_pb2 import (
    CancelJobRequest,
    JobStatus,
    JobStatusRequest,
    UploadRequest,
    UploadResponse,
    WatchJobRequest,
)
from reports.rpc.stubs.sales_pb2_grpc import SalesServiceStub
from tests.files import sales_csv
from tests.reports.rpc.conftest import in_thread
from tests.reports.rpc.hole import Hole

pytestmark = pytest.mark.django_db(transaction=True)
DATA = sales_csv(100)
OLD = "csv.CsvService"


def health_of(channel: grpc.aio.Channel) -> Any:
    return HealthStub(channel)


@pytest.mark.parametrize("service", ["", SERVICE])
async def test_anybody_may_ask_for_its_health(channel: grpc.aio.Channel, service: str) -> None:
    answer = await health_of(channel).Check(HealthCheckRequest(service=service), timeout=20)
    assert answer.status == HealthCheckResponse.SERVING


async def test_of_a_service_that_is_not_here_there_is_none(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health_of(channel).Check(HealthCheckRequest(service="sales.v2.SalesService"), timeout=20)
    assert caught.value.code() is StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("service", "told"),
    [
        (SERVICE, [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING]),
        ("sales.v2.SalesService", [HealthCheckResponse.SERVICE_UNKNOWN, HealthCheckResponse.SERVICE_UNKNOWN]),
    ],
)
async def test_who_watches_its_health_is_told_that_it_stops_and_does_not_hold_it_up(
    service: str, told: list[int]
) -> None:
    server = Server("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watching = health_of(channel).Watch(HealthCheckRequest(service=service), timeout=60)
        seen = [await watching.read()]
        async with asyncio.timeout(5):
            await server.stop()
        seen.append(await watching.read())
    assert [answer.status for answer in seen] == told


async def test_who_is_just_being_told_that_it_takes_calls_is_told_that_it_stops_too() -> None:
    health = Health([SERVICE])
    told: list[int] = []

    class Context:
        async def write(self, answer: HealthCheckResponse) -> None:
            told.append(answer.status)
            health.stop()

    async with asyncio.timeout(5):
        await health.Watch(HealthCheckRequest(service=SERVICE), Context())
    assert told == [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING]


async def test_programs_can_ask_what_it_can_do(server: Server) -> None:
    def ask() -> tuple[set[str], dict[str, tuple[bool, bool]]]:
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            found = DescriptorPool(database).FindServiceByName(SERVICE)
            shapes = {method.name: (method.client_streaming, method.server_streaming) for method in found.methods}
            return set(database.get_services()), shapes

    services, shapes = await asyncio.to_thread(ask)
    assert services == {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert shapes["UploadCSV"] == (True, False)
    assert shapes["WatchJob"] == (False, True)
    assert shapes["GetJobStatus"] == (False, False)


class OldClient:
    """What an older system generated from its own description: other names, the same fields."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.upload: Any = channel.stream_unary(
            f"/{OLD}/UploadCSV", UploadRequest.SerializeToString, UploadResponse.FromString
        )
        self.status: Any = channel.unary_unary(
            f"/{OLD}/GetJobStatus", JobStatusRequest.SerializeToString, JobStatus.FromString
        )
        self.cancel: Any = channel.unary_unary(
            f"/{OLD}/CancelJob", CancelJobRequest.SerializeToString, JobStatus.FromString
        )


@pytest.fixture
async def old(settings: Any, server: Server, worker: None) -> AsyncIterator[OldClient]:
    """A client of a service that is ours under another name."""
    settings.GRPC_SERVICE_ALIASES = [OLD]
    aliased = Server("127.0.0.1:0")
    await aliased.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{aliased.port}") as channel:
        assert (await health_of(channel).Check(HealthCheckRequest(service=OLD))).status == HealthCheckResponse.SERVING
        yield OldClient(channel)
    await aliased.stop(0)


async def test_clients_of_an_older_system_call_it_by_its_name(old: OldClient, auth: Any) -> None:
    messages = [UploadRequest(data=DATA[:500], filename="old.csv"), UploadRequest(data=DATA[500:], eof=True)]
    answer = await old.upload(iter(messages), metadata=auth, timeout=20)
    assert answer.rows == 100
    status = await old.status(JobStatusRequest(job_id=answer.result_id), metadata=auth, timeout=20)
    assert (status.status, status.processed_rows, status.file_name) == ("completed", 100, "old.csv")


async def test_what_stands_before_our_methods_stands_before_them_under_any_name(old: OldClient, user: User) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await old.upload(iter([UploadRequest(data=DATA)]), timeout=20)
    assert caught.value.code() is StatusCode.UNAUTHENTICATED
    reading = await in_thread(tokens.issue)(user, name="Reading", scopes="read")
    auth = (("authorization", f"Bearer {reading}"),)
    for call in (
        old.upload(iter([UploadRequest(data=DATA)]), metadata=auth, timeout=20),
        old.cancel(CancelJobRequest(job_id="x"), metadata=auth, timeout=20),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is StatusCode.PERMISSION_DENIED
    assert not await in_thread(Job.objects.exists)()


async def test_a_name_that_is_not_in_the_settings_is_unknown(channel: grpc.aio.Channel, auth: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await OldClient(channel).status(JobStatusRequest(job_id="x"), metadata=auth, timeout=20)
    assert caught.value.code() is StatusCode.UNIMPLEMENTED


async def test_a_client_that_vanishes_without_a_word_is_noticed_and_its_upload_taken_back(
    stub: Any, auth: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("grpc.keepalive_time_ms", "grpc.http2.ping_timeout_ms"):
        monkeypatch.setitem(running.OPTIONS, name, 1000)
    impatient = Server("127.0.0.1:0")
    await impatient.start()
    async with contextlib.AsyncExitStack() as stack:
        hole = await stack.enter_async_context(Hole.before(impatient.port))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{hole.port}"))
        begun: Any = SalesServiceStub(channel)  # type: ignore[no-untyped-call]
        call = begun.UploadCSV(metadata=auth, timeout=60)
        await call.write(UploadRequest(data=DATA, filename="sales.csv"))
        job_id = dict(await call.initial_metadata())["salesagg-job-id"]
        hole.swallow()
        # By another way: what others see of it.
        told = [
            status.state async for status in stub.WatchJob(WatchJobRequest(job_id=job_id), metadata=auth, timeout=20)
        ]
        call.cancel()
    await impatient.stop(0)
    assert (told[0], told[-1]) == ("uploading", "cancelled")


async def test_calls_go_on_past_the_age_at_which_a_connection_is_closed(
    auth: Any, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(running.OPTIONS, "grpc.max_connection_age_ms", 100)
    ageing = Server("127.0.0.1:0")
    await ageing.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ageing.port}") as channel:
        stub: Any = SalesServiceStub(channel)  # type: ignore[no-untyped-call]
        call = stub.UploadCSV(metadata=auth, timeout=20)
        await call.write(UploadRequest(data=DATA[:500], filename="sales.csv"))
        await _is_let_go(channel)
        await call.write(UploadRequest(data=DATA[500:]))
        await call.done_writing()
        assert (await call).rows == 100
    await ageing.stop(0)


async def _is_let_go(channel: grpc.aio.Channel) -> None:
    """Wait until its connection takes no more calls."""
    async with asyncio.timeout(10):
        while (state := channel.get_state()) is grpc.ChannelConnectivity.READY:
            await channel.wait_for_state_change(state)


async def test_metadata_that_is_too_long_is_refused(stub: Any, auth: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetJobStatus(JobStatusRequest(), metadata=(*auth, ("x-long", "x" * 20_000)), timeout=20)
    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_a_small_message_that_unpacks_to_a_huge_one_is_refused(server: Server, auth: Any, settings: Any) -> None:
    address = f"127.0.0.1:{server.port}"
    async with grpc.aio.insecure_channel(address, compression=grpc.Compression.Gzip) as channel:
        stub: Any = SalesServiceStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.UploadCSV(iter([UploadRequest(data=bytes(settings.MAX_BODY_BYTES))]), metadata=auth, timeout=20)
    assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED


async def test_a_second_server_does_not_share_its_port_in_silence(server: Server) -> None:
    with pytest.raises(RuntimeError):
        Server(f"127.0.0.1:{server.port}")


async def test_a_stop_ends_what_waits_at_once_and_lets_an_upload_come_to_its_end(auth: Any) -> None:
    server = Server("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub: Any = SalesServiceStub(channel)  # type: ignore[no-untyped-call]
        call = stub.UploadCSV(metadata=auth, timeout=20)
        await call.write(UploadRequest(data=DATA[:500], filename="sales.csv"))
        job_id = dict(await call.initial_metadata())["salesagg-job-id"]
        watching = stub.WatchJob(WatchJobRequest(job_id=job_id), metadata=auth, timeout=20)
        assert (await watching.read()).state == "uploading"

        stopping = asyncio.create_task(server.stop())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watching.read()
        assert caught.value.code() is StatusCode.UNAVAILABLE
        assert not stopping.done()
        await call.write(UploadRequest(data=DATA[500:]))
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        # The file is there; only its result is not awaited any more.
        assert caught.value.code() is StatusCode.UNAVAILABLE
        async with asyncio.timeout(5):
            await stopping
    job = await in_thread(Job.objects.select_related("upload").get)(pk=job_id)
    assert job.upload.completed_at is not None
    assert job.upload.offset == len(DATA)
