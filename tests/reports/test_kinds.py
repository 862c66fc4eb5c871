"""Of which kind a file is, by its header."""

import gzip
import zlib

import pytest

from reports import kinds
from reports.pipelines import pipelines
from tests.conftest import MakeUpload
from tests.files import customers_csv, sales_csv
from uploads import lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (sales_csv(3), "sales"),
        (customers_csv(3), "customers"),
        (b"Full Name;E-Mail;Organisation\n", "customers"),
        (b"customer\tMAIL\tcompany_name\r\n", "customers"),
        ("\ufeffName|Email|Company\n".encode(), "customers"),
        ("Name,Email,Company\n".encode("utf-16"), "customers"),
        (gzip.compress(customers_csv(3)), "customers"),
        # All columns of both.
        (b"Department,Sales,Name,Email,Company\n", "sales"),
        # Of neither, but there is an address.
        (b"Kontakt,Mail,Firma\n", "customers"),
        (b"Department,Email\n", "customers"),
        # Of neither.
        (b"Shop,Day,Takings\n", "sales"),
        (b"Customer,Company,Takings\n", "sales"),
        # Without a header a file is of sales, whatever else.
        (b"Toys,2024-01-01,3\n", "sales"),
        (b"\n\n", "sales"),
        (b"\x1f\x8b no gzip", "sales"),
        (b"\0\1\2", "sales"),
    ],
)
def test_it_is_guessed(make_upload: MakeUpload, data: bytes, expected: str) -> None:
    assert kinds.guess(make_upload(data)) == expected


def test_of_a_file_that_is_not_there_nothing_is_known(make_upload: MakeUpload) -> None:
    upload = make_upload(customers_csv(3))
    lifecycle.cancel(upload)
    upload.refresh_from_db()
    assert kinds.guess(upload) == "sales"


def test_a_beginning_is_enough(make_upload: MakeUpload) -> None:
    packed = gzip.compress(customers_csv(90_000))
    assert zlib.decompressobj(wbits=31).decompress(packed[: len(packed) // 2])
    assert kinds.guess(make_upload(packed, chunk=len(packed) // 2 + 1, whole=False)) == "customers"


def test_every_kind_is_described_the_usual_one_first() -> None:
    described = kinds.described()
    assert [kind["name"] for kind in described] == list(pipelines()) == list(kinds.titles())
    assert described[0]["name"] == "sales"
    for kind in described:
        assert [column["role"] for column in kind["columns"]] == list(pipelines()[kind["name"]].columns)
        assert kind["sign"] is None or kind["sign"] in pipelines()[kind["name"]].columns
