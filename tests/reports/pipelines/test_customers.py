"""Customers from files: the rules of a row, and what becomes of good and bad ones, whatever the windows."""

import csv
import gzip
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.validators import EmailValidator
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import User
from reports import downloads, lifecycle, rejected, runner
from reports.models import Customer, Job
from reports.pipelines import customers, pipeline_for
from tests.conftest import MakeUpload
from tests.files import customers_csv
from tests.reports.pipelines import reference

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
Imported = Callable[..., Job]
# Each is a whole import on the database.
EXAMPLES = int(os.environ.get("IMPORT_EXAMPLES", "60"))
HEAD = "name,email,phone,company\n"
PIPELINE = pipeline_for("customers")


def csv_text(*rows: Sequence[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def report_of(job: Job) -> list[list[str]]:
    content = b"".join(downloads.rejected_chunks(job)).decode()
    return list(csv.reader(io.StringIO(content, newline="")))


def errors_of(job: Job) -> list[str]:
    return [line[5] for line in report_of(job)[1:]]


def customers_of(job: Job) -> list[tuple[Any, ...]]:
    rows = job.customers.order_by("row_number").values_list("row_number", "name", "email", "phone", "company")
    return list(rows)


def be_there(owner: User, *emails: str) -> None:
    """`owner` has customers with these addresses already."""
    for email in emails:
        Customer.objects.create(
            owner=owner,
            row_number=1,
            name="There",
            email=email,
            email_key=email.lower(),
            company="Before",
            created_at=timezone.now(),
        )


def check(job: Job, text: str, taken: Sequence[str] = ()) -> None:
    expected = reference.import_customers(text, {email.lower() for email in taken})
    assert (job.status, job.error) == ("completed", "")
    assert customers_of(job) == expected.customers
    assert report_of(job) == expected.report
    assert job.reasons == dict(expected.reasons)
    assert (job.rows, job.bad_rows) == (expected.rows, expected.rows - len(expected.customers))


def test_good_rows_become_customers_of_the_uploader(imported: Imported, user: User) -> None:
    job = imported(HEAD.encode() + b" Ann , Ann@Example.org ,,A & B\n")
    customer = Customer.objects.get()
    assert (customer.owner, customer.job, customer.row_number) == (user, job, 1)
    assert (customer.name, customer.email, customer.email_key) == ("Ann", "Ann@Example.org", "ann@example.org")
    assert (customer.phone, customer.company, customer.changed_at) == ("", "A & B", None)
    assert abs(timezone.now() - customer.created_at).total_seconds() < 60
    assert (job.status, job.rows, job.bad_rows, job.encoding) == ("completed", 1, 0, "utf-8")


@pytest.mark.parametrize(
    ("row", "codes"),
    [
        ([" ", "a@example.org", "", "C"], ["empty_name"]),
        (["x" * 256, "a@example.org", "", "C"], ["name_too_long"]),
        (["A", " ", "", "C"], ["empty_email"]),
        (["A", "not an address", "", "C"], ["invalid_email"]),
        (["A", "a@localhost", "", "C"], ["invalid_email"]),
        (["A", "a@" + "x" * 64 + ".org", "", "C"], ["invalid_email"]),
        (["A", "a" * 243 + "@example.org", "", "C"], ["invalid_email"]),
        (["A", "İ" * 200 + "@example.org", "", "C"], ["invalid_email"]),
        (["A", "a\0@example.org", "", "C"], ["invalid_email"]),
        (["A", "a@example.org", "1" * 65, "C"], ["phone_too_long"]),
        (["A", "a@example.org", "", "\t"], ["empty_company"]),
        (["A", "a@example.org", "", "x" * 256], ["company_too_long"]),
        (["A\0", "a@example.org", "", "C"], ["invalid_character"]),
        (["A", "a@example.org", "\0", "C"], ["invalid_character"]),
        (["A", "a@example.org", "", "\0C"], ["invalid_character"]),
        (["A", "a@example.org", ""], ["wrong_number_of_fields"]),
        (["A", "a@example.org", "", "C", "D"], ["wrong_number_of_fields"]),
        (["A"], ["wrong_number_of_fields"]),
        (["", "", "1" * 65, ""], ["empty_name", "empty_email", "phone_too_long", "empty_company"]),
        (["x" * 256, "@", "", "\0" * 256], ["name_too_long", "invalid_email", "company_too_long", "invalid_character"]),
    ],
)
def test_a_bad_row_is_told_with_all_its_reasons(imported: Imported, row: list[str], codes: list[str]) -> None:
    job = imported((HEAD + csv_text(row) + "B,b@example.org,,D\n").encode())
    assert errors_of(job) == ["; ".join(reference.WORDS[code] for code in codes)]
    assert job.reasons == dict.fromkeys(codes, 1)
    assert [row[2] for row in customers_of(job)] == ["b@example.org"]


@pytest.mark.parametrize(
    "row",
    [
        ["x" * 255, "a" * 242 + "@example.org", "1" * 64, "x" * 255],
        ["𝄞" * 255, "o'neil+x_y{z}@sub.example-two.museum", "", "ä" * 255],
        ['A "B" \\N\t\\.', '"quoted"@example.org', "\\", "line\nend"],
        ["A", "İ" * 100 + "@example.org", "", "C"],
        ["A", "\u212a@example.org", "", "C"],
        ["A", "a@[127.0.0.1]", "", "C"],
    ],
)
def test_what_just_keeps_the_rules_is_stored_as_it_is(imported: Imported, row: list[str]) -> None:
    job = imported((HEAD + csv_text(row)).encode())
    assert customers_of(job) == [(1, *row)]
    assert Customer.objects.get().email_key == row[1].lower()


def test_of_one_address_in_a_file_the_first_good_row_counts_whatever_its_case(imported: Imported) -> None:
    text = HEAD + ",a@example.org,,C\nAnn,A@example.org,,C\nBob,a@Example.ORG,,C\n,a@example.org,,C\n"
    job = imported(text.encode())
    assert customers_of(job) == [(2, "Ann", "A@example.org", "", "C")]
    repeated = reference.WORDS["email_repeated"]
    assert errors_of(job) == ["the name is empty", repeated, f"the name is empty; {repeated}"]


def test_an_address_that_is_a_customers_already_is_taken_also_in_rows_that_are_bad_anyway(
    imported: Imported, user: User
) -> None:
    be_there(user, "Ann@example.org")
    job = imported((HEAD + "A,ann@EXAMPLE.org,,C\n,ANN@example.org,,\nB,ann@example.org,,C\n").encode())
    taken = reference.WORDS["email_taken"]
    assert errors_of(job) == [taken, f"the name is empty; the company is empty; {taken}", taken]
    assert job.reasons == {"email_taken": 3, "empty_name": 1, "empty_company": 1}
    assert Customer.objects.count() == 1


def test_customers_of_others_take_no_address(imported: Imported, stranger: User) -> None:
    be_there(stranger, "person.1@example.org")
    assert imported(customers_csv(2)).bad_rows == 0
    assert Customer.objects.count() == 3


def test_a_second_import_of_the_same_file_imports_nothing(imported: Imported) -> None:
    imported(customers_csv(20))
    again = imported(customers_csv(20))
    assert (again.status, again.rows, again.bad_rows) == ("completed", 20, 20)
    assert again.reasons == {"email_taken": 20}
    assert Customer.objects.count() == 20


def test_the_report_has_the_columns_in_their_order_and_then_all_others(imported: Imported) -> None:
    text = "id,Company Name,E-Mail,note,Full Name\n7,C,nobody,x,A\n8,D,d@example.org,y,B\n9,,,z\n1,2,3,4,5,6,7\n"
    job = imported(text.encode())
    check(job, text)
    assert report_of(job) == [
        ["rowNumber", "name", "email", "phone", "company", "error", "id", "note"],
        ["1", "A", "nobody", "", "C", "the e-mail address is not valid", "7", "x"],
        ["3", "", "", "", "", "the number of fields differs from the header's", "9", "z"],
        ["4", "5", "3", "", "2", "the number of fields differs from the header's", "1", "4", "6", "7"],
    ]


def test_columns_may_be_named_and_the_phone_left_out(make_upload: MakeUpload) -> None:
    upload = make_upload(b"who,email,where,firm,phone\nAnn,nobody,a@example.org,C,12\n", kind="customers")
    named = {"name": "Who", "email": "where", "company": "firm", "phone": ""}
    Job.objects.update(options={"columns": named})
    runner.run_all()
    job = upload.jobs.get()
    assert customers_of(job) == [(1, "Ann", "a@example.org", "", "C")]
    assert job.context is not None
    assert PIPELINE.found(job.context) == {"name": "who", "email": "where", "phone": "", "company": "firm"}
    assert list(PIPELINE.header(job.context)) == ["who", "email", "where", "firm", "phone"]


def test_a_file_without_the_columns_fails_with_what_to_do(imported: Imported) -> None:
    job = imported(b"name,phone\nAnn,12\n")
    assert (job.status, job.error_code) == ("failed", "missing_columns")
    assert "No columns for name and email and company were found" in job.error


def test_a_file_of_a_header_alone_imports_nothing(imported: Imported) -> None:
    job = imported(HEAD.encode())
    assert (job.status, job.rows, job.bad_rows) == ("completed", 0, 0)
    assert report_of(job) == [["rowNumber", "name", "email", "phone", "company", "error"]]


def test_rejected_rows_can_be_corrected_in_their_report_and_imported(imported: Imported) -> None:
    first = imported((HEAD + "A,a@example.org,,C\nB,nobody,,C\n,c@example.org,,\n").encode())
    corrected = report_of(first)
    corrected[1][2], corrected[2][1], corrected[2][4] = "b@example.org", "Cem", "D"
    second = imported(csv_text(*corrected).encode())
    assert customers_of(second) == [(1, "B", "b@example.org", "", "C"), (2, "Cem", "c@example.org", "", "D")]
    assert second.bad_rows == 0
    assert Customer.objects.count() == 3


def test_the_page_shows_the_first_rejected_rows(imported: Imported) -> None:
    rows = "".join(f"id {row},,nobody {row},{'x' * 300}\n" for row in range(30))
    job = imported(b"id,name,e-mail,company\n" + rows.encode())
    preview = rejected.preview(job)
    assert preview is not None
    assert preview.columns == ["name", "email", "phone", "company", "id"]
    assert len(preview.rows) == rejected.ROWS
    number, fields, error = preview.rows[1]
    assert (number, fields[1], fields[4]) == ("2", "nobody 1", "id 1")
    assert error == "the name is empty; the e-mail address is not valid; the company has more than 255 characters"


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8-sig", "utf-8"), ("windows-1252", "windows-1252"), ("utf-16", "utf-16-le")],
)
def test_any_encoding_is_read_and_the_report_is_utf8(imported: Imported, encoding: str, told: str) -> None:
    text = HEAD + "Jörg,joerg@example.org,,Käse – €\nJürgen,nobody,,Käse\n"
    job = imported(text.encode(encoding), chunk=41)
    assert customers_of(job) == [(1, "Jörg", "joerg@example.org", "", "Käse – €")]
    assert report_of(job)[1][1] == "Jürgen"
    assert job.encoding == told


def test_other_separators_are_found(imported: Imported) -> None:
    job = imported(b"name;email;company\nAnn;ann@example.org;A, B\n")
    assert customers_of(job) == [(1, "Ann", "ann@example.org", "", "A, B")]


@pytest.mark.parametrize("window", [50, 100_000])
def test_a_row_that_is_too_long_is_one_bad_row(imported: Imported, settings: Any, window: int) -> None:
    settings.MAX_RECORD_BYTES, settings.IMPORT_WINDOW_BYTES = 300, window
    data = HEAD.encode() + b"A,a@example.org,,C\n" + b'B,"b' + b"x" * 1000 + b"\nC,c@example.org,,D\n"
    job = imported(data, chunk=333)
    assert [row[:3] for row in customers_of(job)] == [(1, "A", "a@example.org"), (3, "C", "c@example.org")]
    assert errors_of(job) == ["the row is too long; a quotation mark is probably not closed"]
    assert job.reasons == {"too_long": 1}


@pytest.mark.parametrize("window", [50, 100_000])
def test_of_very_many_rejected_rows_the_first_are_listed_and_all_are_counted(
    imported: Imported, settings: Any, window: int
) -> None:
    settings.MAX_REJECTED_ROWS, settings.IMPORT_WINDOW_BYTES = 7, window
    job = imported(HEAD.encode() + b"A,nobody,,C\n" * 30)
    assert (job.bad_rows, job.reasons) == (30, {"invalid_email": 30})
    report = report_of(job)
    assert [line[0] for line in report[1:-1]] == [str(number) for number in range(1, 8)]
    assert report[-1][5] == "only the first 7 rejected rows are listed"


def test_a_claim_that_is_lost_takes_the_windows_customers_with_it(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = HEAD + "A,a@example.org,,C\nB,nobody,,C\n"
    job = make_upload(text.encode(), kind="customers").jobs.get()
    keep = PIPELINE.keep  # type: ignore[attr-defined]

    def lost_meanwhile(job: Job, *args: Any) -> None:
        keep(job, *args)
        assert Customer.objects.count() == 1
        Job.objects.filter(pk=job.pk).update(token=None, lease_until=None)

    with monkeypatch.context() as patched:
        patched.setattr(PIPELINE, "keep", lost_meanwhile)
        held = lifecycle.claim()
        assert held is not None
        runner.run(held)
    assert not Customer.objects.exists()
    job.refresh_from_db()
    assert (job.rows, job.position, job.rejected.count()) == (0, 0, 0)
    assert not default_storage.listdir(f"jobs/{job.pk}")[1]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_killed_before_and_after_every_checkpoint_it_still_imports_all_exactly_once(
    make_upload: MakeUpload, monkeypatch: pytest.MonkeyPatch, settings: Any, files: Path, user: User, packed: bool
) -> None:
    class Killed(BaseException):
        """As SIGKILL, nothing in the worker may clean up after it."""

    settings.IMPORT_WINDOW_BYTES = 300
    be_there(user, "person.7@example.org")
    text = customers_csv(60).decode() + csv_text(
        *[["A", f"PERSON.{number}@example.org", "", ""] for number in range(9)]
    )
    data = text.encode()
    job = make_upload(gzip.compress(data) if packed else data, kind="customers").jobs.get()
    commit_window = lifecycle.commit_window
    came: list[str] = []

    def killing(claim: lifecycle.Claim, settle: Any) -> None:
        came.append("to a commit")
        if len(came) % 3 == 0:
            raise Killed
        if len(came) % 3 == 1:
            with pytest.raises(Killed):
                # All of it is written, and not committed.
                commit_window(claim, lambda: settle() and killed())
            raise Killed
        commit_window(claim, settle)
        raise Killed

    def killed() -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, "commit_window", killing)
        while Job.objects.get().position < len(data):
            with pytest.raises(Killed):
                runner.run_all()
            Job.objects.update(lease_until=None, attempt=0)
    assert len(came) > 3 * len(data) // 300
    runner.run_all()
    job.refresh_from_db()
    check(job, text, ["person.7@example.org"])
    stored = {str(path.relative_to(files)) for path in files.glob("jobs/*/*")}
    assert stored == set(job.rejected.values_list("storage_name", flat=True))


LOCAL = st.text(alphabet="abAB09._+-'\"@ äİ\u212aſ", min_size=1, max_size=12)
DOMAIN = st.lists(st.text(alphabet="abzABZ09-", min_size=1, max_size=70), min_size=1, max_size=4).map(".".join)
ADDRESS = st.one_of(
    st.emails(), st.builds("{}@{}".format, LOCAL, DOMAIN), st.from_regex(customers._PLAIN, fullmatch=True), st.text()
)


@settings(max_examples=200, deadline=None)
@given(ADDRESS)
@example("a@" + "x" * 63 + ".org")
@example("a@" + "x" * 64 + ".org")
@example("a@" + "x-" * 32 + "x.org")
@example("a@x.org\n")
def test_the_quick_rule_for_addresses_accepts_nothing_that_djangos_does_not(address: str) -> None:
    if customers._PLAIN.fullmatch(address) and len(address) <= 254:
        EmailValidator(allowlist=[])(address)
    assert PIPELINE.judge(("A", address, "", "C")) == reference.faults("A", address, "", "C")  # type: ignore[attr-defined]


@settings(max_examples=200, deadline=None)
@given(st.tuples(*[st.one_of(st.text(), st.sampled_from(["", "x" * 64, "x" * 65, "x" * 255, "x" * 256]))] * 4))
def test_rows_are_judged_as_by_the_reference(values: tuple[str, ...]) -> None:
    trimmed = tuple(value.strip() for value in values)
    assert PIPELINE.judge(trimmed) == reference.faults(*trimmed)  # type: ignore[attr-defined]


EMAIL = st.sampled_from(
    [f"{name}@example.org" for name in ("a", "A", "b", "B", "c", "d", "e")] + ["", "nobody", "a@" + "x" * 64 + ".org"]
)
NAME = st.sampled_from(["Ann", " Bob ", "", "x" * 256, "Käse, “x”", 'quo"te', "line\nend", "\0", "END"])
ROW = st.tuples(NAME, EMAIL, st.sampled_from(["", "+1 2", "1" * 65]), st.sampled_from(["C", "D", "", "\\N"]))
GOOD = st.tuples(st.just("Ann"), EMAIL, st.just(""), st.just("C"))
HEADERS = (
    ["name", "email", "phone", "company"],
    ["Company Name", "id", "E-Mail", "Full_Name"],
    ["Customer", "PHONE", "note", "mail", "organisation", "note"],
)


@st.composite
def sheets(draw: st.DrawFn) -> str:
    header = draw(st.sampled_from(HEADERS))
    rows = []
    for name, email, phone, company in draw(st.lists(st.one_of(ROW, GOOD), max_size=14)):
        cells = {"name": name, "email": email, "phone": phone, "company": company}
        row = [cells.get(role_of(column), "other") for column in header]
        cut = draw(st.sampled_from([0] * 12 + [1, 3]))
        rows.append((row + ["beyond"] * draw(st.sampled_from([0] * 12 + [2])))[cut:])
    return csv_text(header, *rows)


def role_of(column: str) -> str:
    plain = column.lower().replace(" ", "").replace("-", "").replace("_", "")
    return next((role for role, names in reference.NAMES.items() if plain in names), "")


@pytest.mark.timeout(max(EXAMPLES * 2, 120))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    text=sheets(),
    window=st.sampled_from([1, 40, 100, 300, 10_000]),
    there=st.lists(st.sampled_from(["a@example.org", "B@example.org", "C@EXAMPLE.ORG"]), unique=True),
)
def test_imports_agree_with_the_reference(
    imported: Imported, user: User, text: str, window: int, there: list[str]
) -> None:
    Customer.objects.all().delete()
    be_there(user, *there)
    with override_settings(IMPORT_WINDOW_BYTES=window):
        check(imported(text.encode(), chunk=200), text, there)
    assert Customer.objects.filter(job=None).count() == len(there)
