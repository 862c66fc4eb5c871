"""Pages of another site call by gRPC-Web, in a real browser, with the two libraries that people use: the same through
our web server as through Envoy with the configuration that we ship."""

import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import google.rpc
import pytest
import requests
from playwright.sync_api import Page, expect

from tests.e2e.grpcweb import pages
from tests.e2e.grpcweb.pages import Pages
from tests.files import sales_csv, totals_by_csv
from tests.services import tus
from tests.services.processes import ROOT, Process, free_port, wait_until
from tests.services.site import Site

CLIENTS = ["connect", pytest.param("google-binary", marks=pytest.mark.deep), "google-text"]
# Its binary mode has no streams.
STREAMING = ["connect", "google-text"]
NOBODY = "123e4567-e89b-12d3-a456-426614174000"
DATA = sales_csv(30_000, departments=20_000, bad_every=1000)
PAGE = '<!doctype html><title>A page</title><script type="module" src="suite.js"></script>'
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def other_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """Another site, with a page that has the suite."""
    folder = tmp_path_factory.mktemp("page")
    served = Pages(folder)
    modules = folder / "modules"
    modules.mkdir()
    include = Path(next(iter(google.rpc.__path__))).parent.parent
    pages.protoc(modules, include, "google/rpc/error_details.proto", "google/rpc/status.proto")
    pages.bundle(ROOT / "tests/e2e/grpcweb/suite.js", folder / "suite.js", modules=modules)
    (folder / "index.html").write_text(
        '<!doctype html><title>Page</title><script type="module" src="suite.js"></script>'
    )
    yield served
    served.end()


@pytest.fixture(scope="module")
def guide() -> str:
    """The origin of the page that docs/grpc.md tells how to make, were port 3000 not taken."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, other_site: Pages, guide: str) -> Iterator[Site]:
    origins = f"{other_site.origin},{guide}"
    started = Site(tmp_path_factory.mktemp("site"), GRPC_WEB_ORIGINS=origins, API_REQUESTS_PER_MINUTE="0")
    yield started
    started.end()


@pytest.fixture(scope="module")
def token(site: Site) -> str:
    return site.prepare()


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """Of the web server, and of gRPC."""
    return free_port(), free_port()


@pytest.fixture(scope="module")
def server(site: Site, token: str, ports: tuple[int, int]) -> Process:
    web, rpc = ports
    process = site.start("-m", "tests.e2e.grpcweb.listening", PORT=str(web), GRPC_PORT=str(rpc))
    for port in ports:
        process.wait_for_port(port)
    return process


@pytest.fixture(scope="module")
def address(server: Process, ports: tuple[int, int]) -> str:
    return f"http://localhost:{ports[0]}"


@pytest.fixture(scope="module")
def envoy(address: str, ports: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Envoy with our file, but for its ports."""
    folder = tmp_path_factory.mktemp("envoy")
    port = free_port()
    written = (ROOT / "deploy" / "envoy.yaml").read_text()
    for ours, here in (("0.0.0.0, port_value: 8081", f"127.0.0.1, port_value: {port}"), ("50051 }", f"{ports[1]} }}")):
        assert written.count(ours) == 1
        written = written.replace(ours, here)
    (folder / "envoy.yaml").write_text(written)
    program = Path(sys.executable).with_name("envoy")
    command = [
        str(program),
        "-c",
        str(folder / "envoy.yaml"),
        "--use-dynamic-base-id",
        "--concurrency",
        "1",
        "-l",
        "warning",
    ]
    process = Process(command, log=folder / "log")
    process.wait_for_port(port)
    yield f"http://localhost:{port}"
    process.end()
    assert "[error]" not in process.output


@pytest.fixture(params=["bridge", pytest.param("envoy", marks=pytest.mark.deep)])
def place(request: pytest.FixtureRequest) -> str:
    """Where the page calls."""
    found: str = request.getfixturevalue("address" if request.param == "bridge" else "envoy")
    return found


@pytest.fixture
def call(page: Page, other_site: Pages, place: str, token: str) -> Call:
    """call(function of the suite, client, …) -> what it gives; `token` and `metadata` may be others."""
    page.goto(f"{other_site.origin}/index.html")
    page.wait_for_function("window.call")

    def run(name: str, kind: str, *given: Any, bearer: str | None = token, **metadata: str) -> Any:
        if bearer:
            metadata["authorization"] = f"Bearer {bearer}"
        done = page.evaluate("(given) => window.call(...given)", [name, kind, place, metadata, *given])
        return done["value"] if "value" in done else done["error"]

    return run


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int, int]:
    """The result of `DATA` by Python's `csv`: its text, and how many rows it has of which how many are bad."""
    path = tmp_path_factory.mktemp("expected") / "sales.csv"
    path.write_bytes(DATA)
    totals, rows, bad = totals_by_csv(path)
    lines = "".join(f"{name},{total}\n" for name, total in totals.items())
    return f"Department Name,Total Number of Sales\n{lines}", rows, bad


@pytest.fixture
def uploading(address: str, token: str, tmp_path: Path) -> Iterator[Any]:
    """A file of which half has come, so that its job waits: its uploader, with the id of the job."""
    path = tmp_path / f"{tmp_path.name}.csv"
    path.write_bytes(sales_csv(1000))
    with tus.uploading(address, token, path, chunk=10_000) as uploader:
        uploader.upload(stop_at=10_000)
        asked = requests.get(f"{address}/api/jobs", headers={"Authorization": f"Bearer {token}"}, timeout=20).json()
        uploader.job = next(job["jobId"] for job in asked["items"] if job["fileName"] == path.name)
        yield uploader


@pytest.mark.parametrize("client", CLIENTS)
def test_a_file_has_its_exact_result(call: Call, client: str, expected: tuple[str, int, int]) -> None:
    text, rows, bad = expected
    told = call("upload", client, DATA.decode())
    assert (told["rows"], told["bad"], told["departments"]) == (rows, bad, text.count("\n") - 1)
    assert told["announced"] == told["job"]
    assert call("download", client, told["job"]) == text
    assert requests.get(told["address"], timeout=20).text == text
    if client in STREAMING:
        pieces = call("stream", client, told["job"])
        assert len(pieces) > 1
        assert "".join(pieces) == text


@pytest.mark.parametrize("client", STREAMING)
def test_a_job_is_watched_until_it_has_ended(page: Page, call: Call, client: str, uploading: Any) -> None:
    def told(state: str) -> None:
        if uploading.offset < uploading.get_file_size():
            uploading.upload()

    page.expose_function("told", told)
    seen = call("watch", client, uploading.job)
    assert (seen[0], seen[-1]) == ("uploading", "done")


@pytest.mark.parametrize("client", STREAMING)
def test_a_watch_that_is_cancelled_is_ended_by_the_server(
    call: Call, client: str, uploading: Any, server: Process
) -> None:
    ended = server.output.count("WatchJob has ended")
    assert call("cancel", client, uploading.job) == 1
    wait_until(lambda: server.output.count("WatchJob has ended") > ended, what="the end of the call")


@pytest.mark.deep
@pytest.mark.parametrize("client", STREAMING)
def test_a_call_has_no_more_time_than_its_client_gives(
    call: Call, client: str, uploading: Any, server: Process
) -> None:
    ended = server.output.count("WatchJob has ended")
    assert call("deadline", client, uploading.job)["code"] == 4
    wait_until(lambda: server.output.count("WatchJob has ended") > ended, what="the end of the call")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_refusal_has_its_details(call: Call, client: str) -> None:
    assert call("status", client, "no id") == {
        "code": 3,
        "text": "This is not the id of a job: it looks like 123e4567-e89b-12d3-a456-426614174000.",
        "reason": "invalid_id",
        "fields": ["job_id"],
    }
    nobodys = call("status", client, NOBODY)
    assert (nobodys["code"], nobodys["reason"]) == (5, "not_found")
    empty = call("upload", client, "")
    assert (empty["code"], empty["reason"]) == (3, "empty_file")
    for bearer in (None, "nonsense"):
        refused = call("status", client, NOBODY, bearer=bearer)
        assert (refused["code"], refused["reason"]) == (16, "unauthorized")


@pytest.mark.parametrize("place", ["bridge"], indirect=True)
def test_metadata_of_any_name_may_come_along(call: Call) -> None:
    assert call("status", "connect", NOBODY, **{"trace-bin": "AAH/"})["code"] == 5


def test_a_site_that_is_not_allowed_gets_nothing(
    page: Page, address: str, token: str, other_site: Pages, expected_trouble: list[str]
) -> None:
    expected_trouble += ["blocked by CORS policy", "Failed to load resource"]
    page.goto(f"{other_site.origin.replace('127.0.0.1', 'localhost')}/index.html")
    page.wait_for_function("window.call")
    metadata = {"authorization": f"Bearer {token}"}
    done = page.evaluate("(given) => window.call(...given)", ["status", "connect", address, metadata, NOBODY])
    assert "Failed to fetch" in done["error"]["text"]


@pytest.mark.deep
def test_the_web_server_ends_at_once_and_leaves_nothing_though_a_call_is_open(
    site: Site, token: str, tmp_path: Path
) -> None:
    temporary = tmp_path / "t"
    temporary.mkdir()
    address = site.web(TMPDIR=str(temporary), LOG_LEVEL="WARNING")
    process = site.processes[-1]
    method, headers = f"{address}/grpc.health.v1.Health/Watch", {"Content-Type": "application/grpc-web"}
    with requests.post(method, b"\0" * 5, headers=headers, stream=True, timeout=20) as answer:
        assert next(answer.iter_content(None)) == b"\0\0\0\0\2\x08\1"
        assert len(list(temporary.iterdir())) == 1
        process.signal_group(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
    assert list(temporary.iterdir()) == []
    assert [line for line in process.output.splitlines() if " - - [" not in line] == []


@pytest.fixture
def page_of_the_guide(guide: str, address: str, tmp_path: Path) -> Iterator[str]:
    """The address of the page that is built and served as docs/grpc.md says."""
    text = (ROOT / "docs" / "grpc.md").read_text().partition("## From a browser")[2]
    folder = tmp_path / "page"
    (folder / "www").mkdir(parents=True)
    for name, kind in (("www/index.html", "html"), ("main.js", "js")):
        (block,) = re.findall(rf"`{name}`:\n\n```{kind}\n(.*?)```", text, re.DOTALL)
        (folder / name).write_text(block.replace("http://localhost:8000", address))
    shutil.copy(ROOT / "proto" / "browser" / "sales" / "v1" / "sales_pb.js", folder)
    # What the guide installs; a test shall not need the network.
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    (command,) = re.findall(r"^npx (esbuild .*)$", text, re.MULTILINE)
    with pages.serving(command.replace("127.0.0.1:3000", guide.removeprefix("http://")).split(), folder):
        wait_until(lambda: pages.is_served(guide), what="the page of the guide")
        yield guide


def test_the_page_in_the_guide_sends_a_file_and_shows_its_totals(
    page: Page, page_of_the_guide: str, token: str, expected: tuple[str, int, int]
) -> None:
    text, rows, bad = expected
    page.goto(page_of_the_guide)
    page.get_by_label("API token").fill(token)
    page.get_by_label("CSV file").set_input_files({"name": "sales.csv", "mimeType": "text/csv", "buffer": DATA})
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#result")).to_contain_text(f"in {rows} rows, of which {bad} were rejected")
    expect(page.locator("#progress")).to_have_text(f"done_with_rejects: {rows} rows")
    expect(page.locator("#totals")).to_contain_text(text.splitlines()[-1])
    assert page.locator("#totals").text_content() == text


@pytest.mark.deep
def test_it_shows_what_is_wrong(page: Page, page_of_the_guide: str) -> None:
    page.goto(page_of_the_guide)
    page.get_by_label("API token").fill("nonsense")
    page.get_by_label("CSV file").set_input_files({"name": "sales.csv", "mimeType": "text/csv", "buffer": DATA})
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#result")).to_contain_text("token")
