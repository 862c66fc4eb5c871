"""The command-line client, as a program beside a real site."""

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import requests

from salesagg.client.memory import Memory, fingerprint
from tests.files import rejected_by_csv, sales_csv, totals_by_csv, write_sales
from tests.services import free_port, wait_until
from tests.services.cable import Cable
from tests.services.dam import Dam
from tests.services.processes import ROOT
from tests.services.site import Site

Done = subprocess.CompletedProcess[str]
Client = Callable[..., Done]
SIZE = 10_000_000


@pytest.fixture
def env(address: str, token: str, tmp_path: Path) -> dict[str, str]:
    """What the client finds in its environment."""
    return {**os.environ, "SALESAGG_URL": address, "SALESAGG_TOKEN": token, "XDG_CACHE_HOME": str(tmp_path / "cache")}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "salesagg.client", *map(str, arguments)]


@pytest.fixture
def client(env: dict[str, str]) -> Client:
    """client(arguments, …) -> the client when it has ended."""

    def run(*arguments: object, **options: Any) -> Done:
        return subprocess.run(
            command(*arguments), cwd=ROOT, env=env, capture_output=True, text=True, timeout=100, **options
        )

    return run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_sales(tmp_path / "sales.csv", SIZE)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.csv"
    path.write_bytes(sales_csv(50, bad_every=10))
    return path


@pytest.fixture
def dam(address: str) -> Iterator[Dam]:
    """Between client and site: holds back what comes after two chunks or so."""
    dam = Dam(port_of(address), hold_after=4 << 20)
    yield dam
    dam.end()


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def api(env: dict[str, str], path: str, method: str = "GET", **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {env['SALESAGG_TOKEN']}"}
    answer = requests.request(method, f"{env['SALESAGG_URL']}/api/{path}", headers=headers, timeout=20, **options)
    assert answer.ok, answer.text
    return answer.json()


def latest_job(env: dict[str, str]) -> Any:
    return api(env, "jobs?limit=1")["items"][0]


def held_back(env: dict[str, str], dam: Dam, path: Path, **options: Any) -> "subprocess.Popen[str]":
    """A client in the middle of its upload, of which the site has something."""
    before = {job["jobId"] for job in api(env, "jobs?limit=200")["items"]}
    process = subprocess.Popen(
        command("upload", path, "--url", f"http://localhost:{dam.port}", "--json"),
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    assert dam.is_holding.wait(60)
    wait_until(
        lambda: (job := latest_job(env))["jobId"] not in before and job["uploadedBytes"] > 0, what="a first chunk"
    )
    return process


def test_it_prints_the_totals_for_people(client: Client, env: dict[str, str], path: Path) -> None:
    done = client("upload", path)
    assert (done.returncode, done.stderr) == (0, "")
    totals, rows, bad_rows = totals_by_csv(path)
    head, line, *table = done.stdout.splitlines()
    assert head.split("  ") == ["Department Name", "Total Number of Sales"]
    assert set(line) == {"-", " "}
    assert table[:-2] == [f"{name:15}  {total:21,}" for name, total in totals.items()]
    assert table[-2] == f"{rows:,} rows, {bad_rows:,} rejected, total {sum(totals.values()):,}."
    assert table[-1] == f"Report: {latest_job(env)['url']}"
    assert latest_job(env)["fileName"] == "sales.csv"


def test_it_saves_the_result_in_every_format_and_the_rejected_rows(client: Client, path: Path, tmp_path: Path) -> None:
    totals, rows, _ = totals_by_csv(path)
    errors = tmp_path / "errors.csv"
    first = client("upload", path, "--output", tmp_path / "totals.csv", "--errors", errors)
    assert first.returncode == 0
    assert "Department 0" not in first.stdout
    assert f"Saved: {tmp_path / 'totals.csv'}, {errors}" in first.stdout
    job = first.stdout.split("/jobs/")[1].partition("/")[0]
    for kind in ("xlsx", "json", "parquet"):
        assert client("result", job, "--output", tmp_path / f"totals.{kind.upper()}").returncode == 0
    with (tmp_path / "totals.csv").open(newline="") as file:
        assert dict(list(csv.reader(file))[1:]) == {name: str(total) for name, total in totals.items()}
    with errors.open(newline="") as file:
        assert list(csv.reader(file)) == list(rejected_by_csv(path))
    assert json.loads((tmp_path / "totals.JSON").read_text())["rows"] == rows
    assert pyarrow.parquet.read_table(tmp_path / "totals.PARQUET").num_rows == len(totals)
    assert (tmp_path / "totals.XLSX").read_bytes().startswith(b"PK")
    assert sorted(one.name for one in tmp_path.iterdir() if "part" in one.name.split(".")) == []


@pytest.mark.deep
def test_as_json_it_prints_one_object_and_nothing_else(client: Client, small: Path, tmp_path: Path) -> None:
    output = tmp_path / "totals.csv"
    done = client("upload", small, "--json", "--output", output)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["status"], told["processedRows"], told["failedCount"]) == ("completed", 50, 5)
    assert told["saved"] == {"result": str(output)}


def test_strict_minds_rejected_rows(client: Client, small: Path, tmp_path: Path) -> None:
    assert client("upload", small, "--strict", "--quiet").returncode == 6
    clean = tmp_path / "clean.csv"
    clean.write_bytes(sales_csv(50))
    assert client("upload", clean, "--strict", "--quiet").returncode == 0


@pytest.mark.deep
def test_columns_and_amounts_can_be_chosen(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("Region,Day,Takings\nNorth,1/2/24,1.50\nSouth,2/2/24,-0.25\n")
    done = client("upload", path, "--department", "Region", "--sales", "Takings", "--date", "", "--amounts", "--quiet")
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()[2:]] == [["North", "1.50"], ["South", "-0.25"]]


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    """A file of 50 customers whom nobody else has, and one row that is none."""
    path = tmp_path / "customers.csv"
    known = uuid.uuid4().hex
    rows = [f"Customer {each},c{each}@{known}.example,,C" for each in range(50)]
    path.write_text("\n".join(["Contact person,Mail,Phone,Company", *rows, "Nobody,nonsense,,C"]) + "\n")
    return path


AS_CUSTOMERS = ("--kind", "customers", "--column", "name=Contact person")


@pytest.mark.deep
def test_customers_are_imported_counted_and_taken_back(
    client: Client, env: dict[str, str], customers: Path, tmp_path: Path
) -> None:
    errors = tmp_path / "errors.csv"
    done = client("upload", customers, *AS_CUSTOMERS, "--errors", errors)
    assert (done.returncode, done.stderr) == (0, "")
    job = latest_job(env)
    assert done.stdout.splitlines() == [
        "51 rows, 50 imported, 1 rejected.",
        f"Saved: {errors}",
        f"Report: {job['url']}",
    ]
    assert errors.read_text().splitlines() == [
        "rowNumber,name,email,phone,company,error",
        "51,Nobody,nonsense,,C,the e-mail address is not valid",
    ]
    assert client("upload", customers, *AS_CUSTOMERS, "--strict", "--quiet").stdout == (
        "51 rows, 0 imported, 51 rejected.\n"
    )
    assert client("result", job["jobId"], "--strict", "--quiet").returncode == 6
    assert len(api(env, f"customers?jobId={job['jobId']}")["items"]) == 50

    undone = client("undo", job["jobId"])
    assert (undone.returncode, undone.stdout) == (0, f"{job['jobId']}: undone\n")
    assert api(env, f"customers?jobId={job['jobId']}")["items"] == []
    told = client("result", job["jobId"]).stdout.splitlines()[0]
    assert told == "51 rows, 50 imported, 1 rejected. The import has been undone."
    refused = client("undo", job["jobId"], "--json")
    assert (refused.returncode, refused.stderr) == (4, "error: The import has been undone already.\n")


def test_an_import_has_no_result_to_be_saved(
    client: Client, env: dict[str, str], customers: Path, tmp_path: Path
) -> None:
    output = tmp_path / "totals.csv"
    before = api(env, "jobs?limit=1")["items"]
    done = client("upload", customers, *AS_CUSTOMERS, "--output", output)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: An import has no result to be saved. What was rejected can be, by --errors.\n"
    assert api(env, "jobs?limit=1")["items"] == before
    job = json.loads(client("upload", customers, *AS_CUSTOMERS, "--json").stdout)
    assert (job["kind"], job["successCount"]) == ("customers", 50)
    assert client("result", job["jobId"], "--output", output).returncode == 2
    assert not output.exists()


def test_a_column_that_no_such_file_has_is_told_with_those_there_are(client: Client, customers: Path) -> None:
    done = client("upload", customers, "--kind", "customers", "--column", "department=Company")
    assert done.returncode == 2
    assert "There are: name, email, phone, company." in done.stderr


def test_a_report_cannot_be_undone(client: Client, small: Path) -> None:
    job = json.loads(client("upload", small, "--json").stdout)
    done = client("undo", job["jobId"])
    assert (done.returncode, done.stderr) == (4, "error: Only an import can be undone.\n")


@pytest.mark.deep
def test_an_import_that_was_cancelled_says_what_stays(
    client: Client, env: dict[str, str], site: Site, customers: Path
) -> None:
    job = json.loads(client("upload", customers, *AS_CUSTOMERS, "--json").stdout)["jobId"]
    # As if somebody had cancelled it at its last window.
    code = f"from reports.models import Job; Job.objects.filter(pk='{job}').update(status='cancelled')"
    site.manage("shell", "--verbosity=0", "-c", code)
    done = client("result", job)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: The job was cancelled. 50 rows had been imported, and stay. To remove them, see “undo”.\n"
    )


def test_standard_input_will_do(client: Client, env: dict[str, str], small: Path) -> None:
    with small.open() as file:
        done = client("upload", "-", "--name", "piped.csv", "--json", stdin=file)
    assert done.returncode == 0
    assert (json.loads(done.stdout)["fileName"], json.loads(done.stdout)["processedRows"]) == ("piped.csv", 50)


def test_a_file_can_be_stored_only(client: Client, env: dict[str, str], small: Path) -> None:
    done = client("upload", small, "--keep", "--json")
    assert done.returncode == 0
    key = json.loads(done.stdout)["fileKey"]
    assert api(env, f"files/{key}")["keep"] is True
    assert api(env, f"jobs?fileKey={key}")["items"] == []


def test_a_failed_job_is_told_with_its_reason(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text("a,b\n1,2\n")
    done = client("upload", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: No columns for department and sales were found.")
    as_json = client("upload", path, "--json", "--output", tmp_path / "none.csv")
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout)["error"]["code"] == "missing_columns"
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.deep
def test_a_file_whose_job_has_failed_is_not_sent_to_its_end(env: dict[str, str], address: str, tmp_path: Path) -> None:
    """The job of a file that is no table fails with its first window, of 32 MiB."""
    path = tmp_path / "wrong.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 30_000_000)
    dam = Dam(port_of(address), hold_after=52 << 20)
    try:
        process = held_back(env, dam, path)
        wait_until(lambda: latest_job(env)["status"] == "failed", what="the end of the job")
        dam.open()
        told, _ = process.communicate(timeout=100)
    finally:
        dam.end()
    assert process.returncode == 1
    job = json.loads(told)
    assert job["error"]["code"] == "missing_columns"
    assert dam.sent < path.stat().st_size


@pytest.mark.parametrize("output", [["--output", "no/such/folder.csv"], ["--errors", "no/such/folder.csv"]])
def test_what_cannot_be_saved_is_not_begun(client: Client, env: dict[str, str], small: Path, output: list[str]) -> None:
    before = api(env, "jobs?limit=1")["items"]
    done = client("upload", small, *output)
    assert done.returncode == 2
    assert "no/such/folder.csv cannot be written" in done.stderr
    assert api(env, "jobs?limit=1")["items"] == before


def test_a_missing_file_is_wrong_usage(client: Client, tmp_path: Path) -> None:
    done = client("upload", tmp_path / "missing.csv")
    assert (done.returncode, done.stderr) == (2, f"error: {tmp_path / 'missing.csv'}: No such file or directory\n")


def test_a_wrong_token_is_not_allowed(client: Client, small: Path) -> None:
    done = client("upload", small, "--token", "salesagg_wrong")
    assert (done.returncode, done.stdout) == (3, "")
    assert "token is not valid" in done.stderr


def test_a_token_for_reading_may_look_but_not_send(client: Client, site: Site, small: Path) -> None:
    reader = site.manage("create_token", "ann@example.org", "--read-only")
    assert client("jobs", "--token", reader).returncode == 0
    done = client("upload", small, "--token", reader)
    assert done.returncode == 3


@pytest.mark.deep
def test_a_refusal_is_told_with_its_reason(client: Client, small: Path) -> None:
    done = client("upload", small, "--department", "x", "--sales", "x")
    assert done.returncode == 4
    assert "cannot be both" in done.stderr


def test_a_server_that_is_not_there_cannot_be_reached(client: Client, small: Path) -> None:
    done = client("upload", small, "--url", f"http://localhost:{free_port()}", "--patience", "0.1")
    assert (done.returncode, done.stdout) == (5, "")
    assert "Connection refused" in done.stderr


def test_another_server_is_none(client: Client, tmp_path: Path, small: Path) -> None:
    """A web server that answers all with a page."""
    port = free_port()
    other = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _answers(port), what="the other server")
        done = client("upload", small, "--url", f"http://127.0.0.1:{port}", "--patience", "0.1")
    finally:
        other.terminate()
        other.wait(10)
    assert done.returncode == 4
    assert "404" in done.stderr


def test_a_password_of_the_user_for_this_host_does_not_replace_the_token(
    env: dict[str, str], small: Path, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine localhost login ann password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    done = subprocess.run(
        command("upload", small, "--quiet"),
        cwd=ROOT,
        env=env | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.deep
def test_it_goes_on_after_the_connection_broke(client: Client, address: str, path: Path, tmp_path: Path) -> None:
    cable = Cable(port_of(address), cut_after=SIZE // 2)
    try:
        output = tmp_path / "totals.csv"
        done = client("upload", path, "--url", f"http://localhost:{cable.port}", "--output", output)
    finally:
        cable.end()
    assert done.returncode == 0
    assert cable.cuts == 1
    assert "Trying again" in done.stderr
    assert _totals_in(output) == totals_by_csv(path)[0]


def test_killed_in_the_middle_it_goes_on_where_it_stopped(
    client: Client, env: dict[str, str], dam: Dam, path: Path, tmp_path: Path
) -> None:
    process = held_back(env, dam, path)
    process.kill()
    process.communicate(timeout=20)
    job = latest_job(env)
    dam.open()
    output = tmp_path / "totals.csv"
    done = client("upload", path, "--url", f"http://localhost:{dam.port}", "--output", output)
    assert done.returncode == 0
    assert f"Going on where it stopped: {job['uploadedBytes']:,} of" in done.stderr
    # The same upload; and a site takes no byte twice.
    assert latest_job(env)["jobId"] == job["jobId"]
    assert _totals_in(output) == totals_by_csv(path)[0]


@pytest.mark.deep
def test_killed_while_it_waited_it_fetches_the_result_without_sending_again(
    client: Client, env: dict[str, str], small: Path, tmp_path: Path
) -> None:
    first = client("upload", small, "--json")
    job = json.loads(first.stdout)
    # As it is remembered until the result has been told.
    cache = tmp_path / "cache" / "salesagg" / "uploads"
    assert list(cache.iterdir()) == []
    with small.open("rb") as file:
        key = fingerprint(small, file, url=env["SALESAGG_URL"], metadata={"filename": small.name})
    Memory(cache).set_item(key, f"{env['SALESAGG_URL']}/uploads/{job['fileKey']}/")
    again = client("upload", small, "--json")
    assert json.loads(again.stdout)["jobId"] == job["jobId"]
    assert json.loads(client("upload", small, "--json").stdout)["jobId"] != job["jobId"]


@pytest.mark.deep
def test_a_file_that_has_changed_is_sent_anew(client: Client, env: dict[str, str], dam: Dam, path: Path) -> None:
    process = held_back(env, dam, path)
    process.kill()
    process.communicate(timeout=20)
    job = latest_job(env)
    dam.open()
    with path.open("ab") as file:
        file.write(b"Department 1,2024-01-01,5\n")
    done = client("upload", path, "--url", f"http://localhost:{dam.port}", "--json")
    assert json.loads(done.stdout)["jobId"] != job["jobId"]
    assert json.loads(done.stdout)["processedRows"] == totals_by_csv(path)[1]


@pytest.mark.deep
def test_an_upload_that_is_no_more_is_begun_anew(client: Client, env: dict[str, str], dam: Dam, path: Path) -> None:
    process = held_back(env, dam, path)
    process.kill()
    process.communicate(timeout=20)
    job = latest_job(env)
    dam.open()
    cancelled = requests.delete(
        f"{env['SALESAGG_URL']}/uploads/{job['fileKey']}/",
        headers={"Authorization": f"Bearer {env['SALESAGG_TOKEN']}", "Tus-Resumable": "1.0.0"},
        timeout=20,
    )
    assert cancelled.status_code == 204
    done = client("upload", path, "--url", f"http://localhost:{dam.port}", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["jobId"] != job["jobId"]


@pytest.mark.deep
def test_a_file_that_changes_while_it_is_sent_is_not_taken(env: dict[str, str], dam: Dam, path: Path) -> None:
    process = held_back(env, dam, path)
    with path.open("r+b") as file:
        file.write(b"Department Nome")
    job = latest_job(env)
    dam.open()
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 2
    assert "was changed while it was being sent" in errors
    assert wait_until(lambda: api(env, f"jobs/{job['jobId']}")["status"] == "cancelled", what="the end of the job")


@pytest.mark.deep
def test_a_job_that_is_cancelled_meanwhile_is_told(env: dict[str, str], dam: Dam, path: Path) -> None:
    process = held_back(env, dam, path)
    api(env, f"jobs/{latest_job(env)['jobId']}/cancel", "POST")
    dam.open()
    told, errors = process.communicate(timeout=100)
    assert (process.returncode, json.loads(told)["status"]) == (1, "cancelled")
    assert errors == "error: The job was cancelled.\n"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs that are started inherit that SIGINT is ignored, as it is where tests run in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.deep
@pytest.mark.usefixtures("interruptible")
def test_interrupted_it_says_how_to_go_on(env: dict[str, str], dam: Dam, path: Path) -> None:
    process = held_back(env, dam, path)
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=20)
    assert (process.returncode, told) == (130, "")
    assert errors == "Interrupted. The same command goes on where this one stopped.\n"


@pytest.mark.deep
def test_at_a_terminal_it_shows_how_far_it_is(env: dict[str, str], path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command("upload", path), cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = io.BytesIO()
    try:
        while data := os.read(ours, 4096):
            shown.write(data)
    except OSError:
        # How a terminal ends.
        pass
    os.close(ours)
    assert process.wait(100) == 0
    lines = shown.getvalue().decode().replace("\r", "\n").splitlines()
    assert any(line.startswith("Uploading : 100%") for line in lines)
    assert any(line.startswith("Processing: 100%") and f"{totals_by_csv(path)[1]:,} rows" in line for line in lines)


@pytest.mark.deep
def test_jobs_are_listed_watched_and_cancelled(
    client: Client, env: dict[str, str], dam: Dam, path: Path, small: Path
) -> None:
    finished = json.loads(client("upload", small, "--json").stdout)
    process = held_back(env, dam, path)
    job = latest_job(env)["jobId"]
    listed = client("jobs", "--limit", "2")
    assert [line.split()[:2] for line in listed.stdout.splitlines()[2:]] == [
        [job, "uploading"],
        [finished["jobId"], "done_with_rejects"],
    ]
    assert [one["jobId"] for one in json.loads(client("jobs", "--json").stdout)["items"]][:2] == [
        job,
        finished["jobId"],
    ]
    not_yet = client("result", job)
    assert (not_yet.returncode, not_yet.stdout) == (1, "")
    assert "has not ended" in not_yet.stderr
    watching = subprocess.Popen(command("watch", job, "--json"), cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    cancelled = client("cancel", job)
    assert (cancelled.returncode, cancelled.stdout.split()[0]) == (0, f"{job}:")
    told, _ = watching.communicate(timeout=60)
    assert (watching.returncode, json.loads(told)["status"]) == (1, "cancelled")
    assert client("cancel", job).returncode == 4
    assert client("watch", finished["jobId"], "--strict", "--quiet").returncode == 6
    dam.open()
    process.communicate(timeout=60)
    assert process.returncode == 1


def test_the_script_in_the_docs_is_true(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_bytes(sales_csv(50, bad_every=10))
    (tmp_path / "customers.csv").write_text("Contact person,Mail,Company\nAda,ada@example.org,Engines\n,?,Boats\n")
    page = (ROOT / "docs" / "client.md").read_text()
    lines = "\n".join(re.findall(r"^```bash\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines + 'echo "$job $key"'],
        cwd=tmp_path,
        env=env | {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{env['PATH']}"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    job, key = done.stdout.split()
    assert json.loads((tmp_path / "job.json").read_text())["jobId"] == job
    assert _totals_in(tmp_path / "totals.csv") == totals_by_csv(tmp_path / "sales.csv")[0]
    assert len((tmp_path / "rejected.csv").read_text().splitlines()) == 1 + 5
    assert (tmp_path / "totals.xlsx").read_bytes().startswith(b"PK")
    assert "Department 0" in (tmp_path / "totals.txt").read_text()
    assert job in (tmp_path / "jobs.txt").read_text()
    imported = json.loads((tmp_path / "import.json").read_text())
    assert (imported["kind"], imported["successCount"], imported["failedCount"]) == ("customers", 1, 1)
    assert len((tmp_path / "rejected-customers.csv").read_text().splitlines()) == 1 + 1
    assert api(env, f"jobs/{imported['jobId']}")["state"] == "undone"
    assert api(env, f"files/{key}")["keep"] is True


def test_nobody_elses_job_is_shown(client: Client) -> None:
    done = client("result", "00000000-0000-4000-8000-000000000000")
    assert (done.returncode, done.stderr) == (4, "error: There is no such job of yours.\n")


def _totals_in(path: Path) -> dict[str, int]:
    with path.open(newline="") as file:
        return {name: int(total) for name, total in list(csv.reader(file))[1:]}


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=5).ok
    except requests.ConnectionError:
        return False
