"""The kinds of CSV: found by being there, each whole; one that is not there is refused."""

import pytest
from django.test import Client

from reports.models import Job
from reports.models.jobs import kinds
from reports.pipelines import pipeline_for, pipelines
from tests.conftest import b64
from uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)


def create(client: Client, token: str, **pairs: str) -> tuple[int, str]:
    headers = {
        "Authorization": f"Bearer {token}",
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "10",
        "Upload-Metadata": ",".join(f"{key} {b64(value)}" for key, value in pairs.items()),
    }
    response = client.generic("POST", "/uploads/", headers=headers)
    return response.status_code, response.json()["detail"] if response.content else ""


def test_the_kinds_are_those_that_have_a_module() -> None:
    assert list(pipelines()) == ["sales", "customers"]
    assert [kind for kind, _title in kinds()] == list(pipelines())
    assert pipelines() is pipelines()


@pytest.mark.parametrize("kind", pipelines())
def test_a_kind_says_all_that_others_ask_of_it(kind: str) -> None:
    pipeline = pipeline_for(kind)
    assert pipeline.kind == kind
    assert len(kind) <= (Job._meta.get_field("kind").max_length or 0)
    assert str(pipeline.title)
    assert any(column.required for column in pipeline.columns.values())
    assert all(str(column.title) and column.names for column in pipeline.columns.values())
    assert {"wrong_number_of_fields", "too_long"} < set(pipeline.reasons)
    assert all(pipeline.reason(code, {}) not in ("", code) for code in pipeline.reasons)
    assert pipeline.window_bytes > 0


def test_an_import_is_read_as_its_metadata_says(client: Client, token: str) -> None:
    assert create(client, token, filename="a.csv", kind="customers", email_column="Where")[0] == 201
    job = Job.objects.get()
    assert (job.kind, job.options) == ("customers", {"columns": {"email": "Where"}})


def test_without_a_word_it_is_sales(client: Client, token: str) -> None:
    assert create(client, token, filename="a.csv", name="a.csv")[0] == 201
    assert Job.objects.get().kind == "sales"


@pytest.mark.parametrize("kind", ["", "Customers", "invoices", "rows", "base", "sales\0"])
def test_a_kind_that_is_not_there_is_refused_and_nothing_is_made(client: Client, token: str, kind: str) -> None:
    status, told = create(client, token, filename="a.csv", kind=kind)
    assert status == 400
    assert "There are: “sales”, “customers”." in told
    assert not Upload.objects.exists()
    assert not Job.objects.exists()
