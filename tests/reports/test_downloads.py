"""The result and the rejected rows as downloads, in every form."""

import contextlib
import csv
import io
import json
import random
import re
from collections.abc import Callable
from decimal import Decimal
from itertools import product
from typing import Any

import pyarrow.parquet
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from channels.db import database_sync_to_async
from django.db import connections
from django.test import AsyncClient, Client

from accounts.models import User
from reports import downloads, formats, runner, safe_csv
from reports.engine.records import line
from reports.models import Job
from reports.safe_csv import cell
from tests.conftest import MakeUpload
from tests.files import HEADER
from tests.reports.workbook import sheets

pytestmark = pytest.mark.django_db(transaction=True)
Finished = Callable[..., Job]
DATA = HEADER.encode() + (
    b"Toys,2024-01-01,3\nBooks,2024-02-01,4000\nToys,never,1\n=1+1,2024-02-03,5\n" + '"K,öln",2024-02-03,6\n'.encode()
)


def content(response: Any) -> bytes:
    """The body of a streamed answer."""

    async def whole() -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    try:
        return async_to_sync(whole)()
    finally:
        response.close()


def result(job: Job, kind: str, *, safe: bool = False) -> bytes:
    return content(downloads.result(job, kind, safe=safe))


@pytest.fixture
def amounts(make_upload: MakeUpload) -> Callable[[bytes], Job]:
    """amounts(data) -> a finished job that reads sales as amounts."""

    def run(data: bytes) -> Job:
        job = make_upload(data).jobs.get()
        Job.objects.update(options={"amounts": True})
        runner.run_all()
        job.refresh_from_db()
        return job

    return run


def test_the_plain_csv_is_what_the_worker_stored_byte_for_byte(finished: Finished) -> None:
    expected = 'Department Name,Total Number of Sales\n=1+1,5\nBooks,4000\n"K,öln",6\nToys,3\n'
    assert result(finished(DATA), "csv").decode() == expected


def test_the_safe_csv_has_no_cell_that_a_spreadsheet_would_run(finished: Finished) -> None:
    expected = '"Department Name","Total Number of Sales"\n"\'=1+1","5"\n"Books","4000"\n"K,öln","6"\n"Toys","3"\n'
    assert result(finished(DATA), "csv", safe=True).decode() == expected


@pytest.mark.parametrize("value", ["=1", "+1+1", "-x", "@SUM(A1)", "-1-1", "\tx", "\nx", "＝1", "＋1", "－1", "＠x"])
def test_a_cell_that_may_be_a_formula_becomes_text(value: str) -> None:
    assert cell(value) == f"'{value}"


# What a spreadsheet begins a formula with, after what it may skip.
FORMULA = re.compile(r"[\s\x00\"]*[=+\-@＝＋－＠]")
PARTS = [
    "=1",
    "+1",
    "-x",
    "@x",
    "＝1",
    "\t",
    "\r",
    "\n",
    "\r\n",
    ";",
    ",",
    "|",
    '"',
    "'",
    " ",
    "\0",
    "x",
    "-5",
    "\ufeff",
]


def is_harmless(found: str) -> bool:
    return not FORMULA.match(found) or bool(re.fullmatch(r"-\d+(\.\d+)?", found))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_safe_csv_is_safe_whatever_delimiter_it_is_split_at(delimiter: str) -> None:
    values = ["".join(parts) for size in (1, 2, 3) for parts in product(PARTS, repeat=size)]
    random.Random(17).shuffle(values)
    records = [values[start : start + 3] for start in range(0, len(values), 3)]
    plain = "".join(line(["1", *record]) for record in records).encode()
    safe = b"".join(safe_csv.pieces(io.BytesIO(plain))).decode()
    split = list(csv.reader(io.StringIO(safe, newline=""), delimiter=delimiter))
    assert [found for record in split for found in record if not is_harmless(found)] == []
    if delimiter == ",":
        assert len(split) == len(records)


def test_a_long_hostile_cell_is_made_safe_in_one_pass() -> None:
    # Read once for each of its delimiters, this would take hours.
    for part in ("\t", ";", '"', " ", ";-", "-"):
        assert cell(part * 300_000 + "=x").endswith("=x")


@pytest.mark.parametrize("value", ["", "x=1", "-12", "-12.50", "4", "Toys - Books", "2024-01-01", "'=1", "a; b"])
def test_other_cells_and_negative_numbers_stay(value: str) -> None:
    assert cell(value) == value


def test_json_tells_everything(finished: Finished) -> None:
    told = json.loads(result(finished(DATA), "json"))
    assert told == {
        "file": "sales.csv",
        "rows": 5,
        "rejectedRows": 1,
        "reasons": {"invalid_date": 1},
        "encoding": "utf-8",
        "total": 4014,
        "months": [{"month": "2024-01", "sales": 3, "rows": 1}, {"month": "2024-02", "sales": 4011, "rows": 3}],
        "departments": [
            {"name": "=1+1", "sales": 5, "rows": 1},
            {"name": "Books", "sales": 4000, "rows": 1},
            {"name": "K,öln", "sales": 6, "rows": 1},
            {"name": "Toys", "sales": 3, "rows": 1},
        ],
    }


def test_json_of_a_file_without_good_rows_is_json(finished: Finished) -> None:
    assert json.loads(result(finished(HEADER.encode()), "json"))["departments"] == []


def test_parquet_has_names_sales_and_rows(finished: Finished) -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(result(finished(DATA), "parquet")))
    assert [str(field.type) for field in table.schema] == ["string", "int64", "int64"]
    assert table.to_pylist()[1] == {"Department Name": "Books", "Total Number of Sales": 4000, "Rows": 1}


@pytest.mark.parametrize(
    ("digits", "kind"), [(18, "int64"), (38, "decimal128(38, 0)"), (70, "decimal256(76, 0)"), (90, "string")]
)
def test_parquet_holds_numbers_of_any_size_exactly(finished: Finished, digits: int, kind: str) -> None:
    job = finished(f"{HEADER}Toys,2024-01-01,{'9' * digits}\nBooks,2024-01-01,1\n".encode())
    table = pyarrow.parquet.read_table(io.BytesIO(result(job, "parquet")))
    assert str(table.schema.field(1).type) == kind
    assert [str(total) for total in table.column(1).to_pylist()] == ["1", "9" * digits]


def test_a_workbook_has_departments_and_months(finished: Finished) -> None:
    book = sheets(result(finished(DATA), "xlsx"))
    assert list(book) == ["Departments", "Months"]
    assert book["Departments"] == [
        ["Department Name", "Total Number of Sales", "Rows"],
        ["=1+1", 5.0, 1.0],
        ["Books", 4000.0, 1.0],
        ["K,öln", 6.0, 1.0],
        ["Toys", 3.0, 1.0],
    ]
    assert book["Months"][1:] == [["2024-01", 3.0, 1.0], ["2024-02", 4011.0, 3.0]]


def test_numbers_that_a_spreadsheet_would_round_are_written_as_text(finished: Finished) -> None:
    job = finished(f"{HEADER}Toys,2024-01-01,{'9' * 15}\nBooks,2024-01-01,{'9' * 16}\n".encode())
    lines = sheets(result(job, "xlsx"))["Departments"][1:]
    assert [line[1] for line in lines] == ["9" * 16, float("9" * 15)]


def test_a_workbook_goes_on_on_another_sheet_when_one_is_full(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "_SHEET_ROWS", 4)
    rows = "".join(f"Dept {number},2024-01-01,{number}\n" for number in range(7))
    book = sheets(result(finished((HEADER + rows).encode()), "xlsx"))
    assert list(book) == ["Departments", "Departments 2", "Departments 3", "Months"]
    assert [line[0] for name in list(book)[:3] for line in book[name][1:]] == [f"Dept {number}" for number in range(7)]


def test_amounts_keep_their_places_everywhere(amounts: Callable[[bytes], Job]) -> None:
    job = amounts(HEADER.encode() + b"Toys,2024-01-01,12.50\nBooks,2024-01-01,-3\n")
    assert result(job, "csv").decode().splitlines()[1:] == ["Books,-3.00", "Toys,12.50"]
    assert result(job, "csv", safe=True).decode().splitlines()[1:] == ['"Books","-3.00"', '"Toys","12.50"']
    assert json.loads(result(job, "json"))["total"] == "9.50"
    table = pyarrow.parquet.read_table(io.BytesIO(result(job, "parquet")))
    assert table.column(1).to_pylist() == [Decimal("-3.00"), Decimal("12.50")]
    assert sheets(result(job, "xlsx"))["Departments"][1:] == [["Books", -3.0, 1.0], ["Toys", 12.5, 1.0]]


@pytest.mark.parametrize("safe", [False, True])
def test_the_csv_says_that_it_is_utf8(ann: Client, finished: Finished, safe: bool) -> None:
    job = finished(DATA)
    for path in ("result.csv", "rejected.csv"):
        with contextlib.closing(ann.get(f"/jobs/{job.pk}/{path}", {"safe": "1"} if safe else {})) as response:
            assert response["Content-Type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize("kind", formats.FORMATS)
@pytest.mark.parametrize("safe", [False, True])
def test_a_name_of_any_length_is_in_every_download(finished: Finished, kind: str, safe: bool) -> None:
    name = "=" + "x" * 200_000
    data = result(finished(f"{HEADER}{name},2024-01-01,3\n".encode()), kind, safe=safe)
    if kind == "xlsx":
        # As much as a cell may have.
        assert sheets(data)["Departments"][1][0] == name[:32_767]
    elif kind != "parquet":
        assert name.encode() in data


def test_rejected_rows_have_a_safe_form_too(finished: Finished) -> None:
    job = finished(HEADER.encode() + b'=cmd,never,1\n"@x, y",2024-01-01,many\n')
    plain = content(downloads.rejected(job)).decode()
    safe = content(downloads.rejected(job, safe=True)).decode()
    assert plain.splitlines()[1].startswith("1,=cmd,never,1,")
    assert [row[:2] for row in csv.reader(io.StringIO(safe, newline=""))] == [
        ["rowNumber", "Department Name"],
        ["1", "'=cmd"],
        ["2", "'@x, y"],
    ]


@pytest.mark.parametrize("kind", [*formats.FORMATS, "rejected.csv"])
async def test_a_download_comes_under_the_files_name_and_whole(user: User, finished: Finished, kind: str) -> None:
    job = await database_sync_to_async(finished)(DATA, name='Köln "1".csv')
    client = AsyncClient()
    await client.aforce_login(user)
    path = kind if "." in kind else f"result.{kind}"
    response: Any = await client.get(f"/jobs/{job.pk}/{path}")
    # The view ran in a thread of its own, whose connection Django's test client leaves open.
    await sync_to_async(connections.close_all)()
    assert response.status_code == 200
    what = "rejected.csv" if "." in kind else f"totals.{kind}"
    assert f"K%C3%B6ln%20%221%22-{what}" in response["Content-Disposition"]
    assert response["Cache-Control"] == "private, no-store"
    body = b"".join([piece async for piece in response.streaming_content])
    response.close()
    assert body
    if "Content-Length" in response:
        assert response["Content-Length"] == str(len(body))


def test_a_form_that_we_do_not_have_is_refused_with_those_we_have(ann: Client, finished: Finished) -> None:
    response = ann.get(f"/jobs/{finished(DATA).pk}/result.pdf")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_format")
    assert "csv, xlsx, json, parquet" in response.json()["detail"]


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_a_result_that_is_not_there_yet_is_refused(ann: Client, make_upload: MakeUpload, kind: str) -> None:
    job = make_upload(DATA).jobs.get()
    response = ann.get(f"/jobs/{job.pk}/result.{kind}")
    assert (response.status_code, response.json()["code"]) == (409, "no_result")
    page = ann.get(f"/jobs/{job.pk}/result.{kind}", headers={"Accept": "text/html"})
    assert page.status_code == 409
    assert "Wait until it is done" in page.content.decode()


def test_rejected_rows_of_a_file_that_nobody_has_read_yet_are_refused(ann: Client, make_upload: MakeUpload) -> None:
    job = make_upload(DATA).jobs.get()
    response = ann.get(f"/jobs/{job.pk}/rejected.csv")
    assert (response.status_code, response.json()["code"]) == (409, "no_result")


@pytest.mark.parametrize("path", ["result.csv", "result.xlsx", "rejected.csv"])
def test_downloads_are_the_owners_alone_and_only_read(
    client_of: Callable[[User], Client], user: User, stranger: User, finished: Finished, path: str
) -> None:
    address = f"/jobs/{finished(DATA).pk}/{path}"
    assert client_of(stranger).get(address).status_code == 404
    assert client_of(user).post(address).status_code == 405
    assert Client().get(address)["Location"].startswith("/accounts/login/")
