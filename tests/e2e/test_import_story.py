"""An import from beginning to end by the API alone, as a program does it that has nothing but a token."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.services import tus
from tests.services.site import Site

ROWS = [f"Customer {each},c{each}@example.org,030 {each},Company {each % 7}" for each in range(3000)]
BAD = ["No address,,1,Company", "Nobody,nonsense,,", "Again,C17@EXAMPLE.ORG,,Company"]
HEADER = "Name,E-mail,Phone,Company,Since"
DATA = "\n".join([HEADER, *(f"{row},2024" for row in [*ROWS[:1500], *BAD, *ROWS[1500:]])]).encode() + b"\n"
Api = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A site of its own, whose imports take many windows, and an API token."""
    site = Site(tmp_path_factory.mktemp("imports"), IMPORT_WINDOW_BYTES="20000", API_REQUESTS_PER_MINUTE="0")
    token = site.prepare()
    yield site.serve(), token
    site.end()


@pytest.fixture
def api(address: tuple[str, str]) -> Api:
    """api("GET", path, …) -> the answer."""

    def ask(method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {address[1]}"}
        return requests.request(method, f"{address[0]}/api/{path}", headers=headers, timeout=60, **options)

    return ask


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    path.write_bytes(DATA)
    return path


def watched(api: Api, job_id: str) -> tuple[list[str], dict[str, Any]]:
    """The names of a job's events until it has ended, and what the last one tells."""
    names: list[str] = []
    told: dict[str, Any] = {}
    with api("GET", f"jobs/{job_id}/stream", stream=True) as stream:
        for line in stream.iter_lines(chunk_size=1):
            field, _, value = line.decode().partition(": ")
            if field == "event":
                names.append(value)
            elif field == "data":
                told = json.loads(value)
    return names, told


def everybody(api: Api, **asked: Any) -> list[dict[str, Any]]:
    """All customers that are found, page after page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api("GET", "customers", params={"limit": 200, "cursor": cursor, **asked}).json()
        found += page["items"]
        cursor = page["next"]
    return found


def refused(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def test_the_story_of_an_import(api: Api, address: tuple[str, str], path: Path) -> None:
    # Sent as a form, and watched to its end.
    sent = api("POST", "jobs/upload", data={"kind": "customers"}, files={"file": ("customers.csv", DATA)})
    assert sent.status_code == 201, sent.text
    job_id = sent.json()["jobId"]
    names, job = watched(api, job_id)
    assert (names[0], names[-1]) == ("snapshot", "completed")
    assert set(names[1:-1]) <= {"progress"}

    # What came in, and what did not.
    assert [job[name] for name in ("kind", "processedRows", "successCount", "failedCount")] == [
        "customers",
        3003,
        3000,
        3,
    ]
    assert job["reasons"] == {"empty_email": 1, "invalid_email": 1, "empty_company": 1, "email_repeated": 1}
    assert (job["departments"], job["total"], list(job["downloadUrls"])) == (None, None, ["errors"])
    assert job["columns"] == {"name": "Name", "email": "E-mail", "phone": "Phone", "company": "Company"}
    rejected = list(csv.reader(api("GET", f"jobs/{job_id}/errors.csv").text.splitlines()))
    assert rejected == [
        ["rowNumber", "name", "email", "phone", "company", "error", "Since"],
        ["1501", "No address", "", "1", "Company", "the e-mail address is empty", "2024"],
        ["1502", "Nobody", "nonsense", "", "", "the e-mail address is not valid; the company is empty", "2024"],
        [
            *("1503", "Again", "C17@EXAMPLE.ORG", "", "Company"),
            *("an earlier row of the file has the same e-mail address", "2024"),
        ],
    ]
    assert requests.get(job["downloadUrls"]["errors"], timeout=20).text.splitlines()[0].startswith("rowNumber,name")
    assert refused(api("GET", f"jobs/{job_id}/result.csv")) == (409, "no_result")

    # Listed, searched, exported.
    customers = everybody(api)
    assert sorted(customer["rowNumber"] for customer in customers) == [*range(1, 1501), *range(1504, 3004)]
    ids = [customer["id"] for customer in customers]
    assert ids == sorted(ids, reverse=True)
    assert everybody(api, jobId=job_id) == customers
    (one,) = everybody(api, q="C17@example")
    head, *exported = api("GET", "customers.csv").text.splitlines()
    assert head == "name,email,phone,company"
    assert sorted(exported) == sorted(ROWS)

    # The same file again, by tus this time: every row of it is there already.
    tus.upload(*address, path, chunk=30_000, kind="customers")
    again = api("GET", "jobs", params={"limit": 1}).json()["items"][0]["jobId"]
    _, job = watched(api, again)
    assert (job["successCount"], job["failedCount"], job["actions"]) == (0, 3003, ["again", "delete"])
    assert job["reasons"]["email_taken"] == 3000 + 1

    # One is changed, which stands in the way of undoing until it is deleted.
    changed = api("PATCH", f"customers/{one['id']}", json={"company": "Looms"})
    assert (changed.json()["company"], changed.json()["phone"]) == ("Looms", "030 17")
    taken = api("PATCH", f"customers/{one['id']}", json={"email": "C18@example.org"})
    assert refused(taken) == (409, "email_taken")
    assert refused(api("POST", f"jobs/{job_id}/undo")) == (409, "customers_changed")
    assert len(everybody(api)) == 3000
    assert api("DELETE", f"customers/{one['id']}").status_code == 204
    undone = api("POST", f"jobs/{job_id}/undo").json()
    assert (undone["state"], undone["undoneAt"] is None) == ("undone", False)
    assert everybody(api) == []
    assert refused(api("POST", f"jobs/{job_id}/undo")) == (409, "undone_already")

    # And imported again, from the file that is still there.
    third = api("POST", f"jobs/{job_id}/again").json()["jobId"]
    _, job = watched(api, third)
    assert (job["kind"], job["successCount"], job["failedCount"]) == ("customers", 3000, 3)
    assert sorted(api("GET", "customers.csv").text.splitlines()[1:]) == sorted(exported)
    assert api("DELETE", f"jobs/{third}").status_code == 204
    assert [customer["jobId"] for customer in everybody(api, q="C17@example")] == [None]
