"""What a person chose about a file: read strictly, kept with the job, obeyed by it."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.errors import Refusal
from accounts.models import User
from reports import options, runner
from reports.models import Job
from tests.conftest import append, b64
from uploads import lifecycle
from uploads.models import Upload

DATA = b"Region,Day,Takings\nNorth,yesterday,1.50\nSouth,2024-01-01,-2\n"


def metadata(**pairs: str) -> str:
    return ",".join(f"{key} {b64(value)}" for key, value in {"filename": "shop.csv", **pairs}.items())


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ({}, {}),
        ({"filename": "a.csv", "lastmodified": "1"}, {}),
        ({"department": "Region"}, {"columns": {"department": "Region"}}),
        (
            {"department": "Region", "date": "Day", "sales": "Takings", "amounts": "true"},
            {"columns": {"department": "Region", "date": "Day", "sales": "Takings"}, "amounts": True},
        ),
        ({"date": ""}, {"columns": {"date": ""}}),
        ({"amounts": "false"}, {}),
        ({"amounts": "true"}, {"amounts": True}),
    ],
)
def test_they_are_read_from_an_uploads_metadata(pairs: dict[str, str], expected: options.Options) -> None:
    assert options.parse(pairs) == ("sales", expected)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"csrfmiddlewaretoken": "x"}, {}),
        ({"department": "", "sales": ""}, {}),
        ({"department": "Region", "date": "", "sales": "Takings"},
         {"columns": {"department": "Region", "date": "", "sales": "Takings"}}),
        ({"amounts": "on"}, {"amounts": True}),
    ],
)  # fmt: skip
def test_they_are_read_from_a_form(fields: dict[str, str], expected: options.Options) -> None:
    assert options.from_form(fields, "sales") == ("sales", expected)


NONSENSE = [
    {"department": ""},
    {"sales": " _-"},
    {"date": " "},
    {"department": "x" * 1001},
    {"department": "a\0b"},
    {"department": "Region", "sales": "region"},
    {"date": "Sale Date", "sales": "sale_date"},
    {"amounts": "maybe"},
    {"amounts": ""},
    {"kind": ""},
    {"kind": "Sales"},
    {"kind": "customers", "name_column": ""},
    {"kind": "customers", "email_column": "Contact", "company_column": "contact"},
    {"kind": "customers", "amounts": "true"},
]


@pytest.mark.parametrize("pairs", NONSENSE)
def test_nonsense_is_refused(pairs: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refused:
        options.parse(pairs)
    assert (refused.value.status, refused.value.code) == (400, "bad_options")


@pytest.mark.parametrize(
    ("columns", "amounts", "expected"),
    [
        ({}, False, {}),
        ({"department": None, "date": None, "sales": None}, False, {}),
        ({"department": "Region", "date": "", "sales": None}, True,
         {"columns": {"department": "Region", "date": ""}, "amounts": True}),
    ],
)  # fmt: skip
def test_they_are_read_from_an_apis_request(
    columns: dict[str, str | None], amounts: bool, expected: options.Options
) -> None:
    assert options.from_api("sales", columns, amounts=amounts) == expected


@pytest.mark.parametrize(
    "columns",
    [nonsense for nonsense in NONSENSE if not {"amounts", "kind"} & nonsense.keys()] + [{"other": "x"}, {"email": "x"}],
)
def test_nonsense_in_an_apis_request_is_refused(columns: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refused:
        options.from_api("sales", columns, amounts=False)
    assert (refused.value.status, refused.value.code) == (400, "bad_options")


def test_nonsense_in_a_form_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        options.from_form({"department": "Region", "sales": "region"}, "sales")
    assert refused.value.code == "bad_options"


CUSTOMERS = {"name": "Who", "phone": ""}


def test_another_kind_has_columns_of_its_own() -> None:
    """Under keys that no client uses for anything else; `name` is many clients' word for the file's."""
    pairs = {"kind": "customers", "name": "file.csv", "department": "x", "name_column": "Who", "phone_column": ""}
    assert options.parse(pairs) == ("customers", {"columns": CUSTOMERS})
    assert options.from_form({**pairs, "email_column": ""}, "sales") == ("customers", {"columns": CUSTOMERS})
    assert options.from_api("customers", {**CUSTOMERS, "email": None}, amounts=False) == {"columns": CUSTOMERS}


@pytest.mark.parametrize("pairs", NONSENSE)
@pytest.mark.django_db(transaction=True)
def test_an_upload_with_nonsense_is_refused_and_leaves_nothing(ann: Client, pairs: dict[str, str]) -> None:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": metadata(**pairs)}
    response = ann.generic("POST", "/uploads/", headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "bad_options")
    assert not Upload.objects.exists()
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_upload_whose_options_make_sense_is_created_with_its_job(ann: Client) -> None:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": metadata(sales="Käufe")}
    assert ann.generic("POST", "/uploads/", headers=headers).status_code == 201
    assert Job.objects.get().options == {"columns": {"sales": "Käufe"}}


@pytest.mark.django_db(transaction=True)
def test_the_job_obeys_them(user: User, make_job: Callable[..., Job]) -> None:
    chosen = metadata(department="Region", date="", sales="Takings", amounts="true")
    append(lifecycle.create(user, length=len(DATA), metadata=chosen), DATA)
    runner.run_all()
    job = Job.objects.get()
    assert (job.status, job.rows, job.bad_rows) == ("completed", 2, 0)
    assert {(total.name, total.total) for total in job.totals.all()} == {("North", "1.50"), ("South", "-2.00")}
