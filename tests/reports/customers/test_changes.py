"""Customers changed and deleted by hand."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from accounts.errors import Refusal
from accounts.models import User
from reports import lifecycle
from reports.customers.changes import change, delete, faults
from reports.models import Customer, Job
from tests.files import customers_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
Imported = Callable[..., Job]
GOOD = {"name": "Ann", "email": "Ann@Example.org", "phone": "", "company": "Acme"}


@pytest.fixture
def customer(imported: Imported) -> Customer:
    return Customer.objects.get(job=imported(customers_csv(1)))


def stored(customer: Customer) -> dict[str, str]:
    fresh = Customer.objects.get(pk=customer.pk)
    return {field: getattr(fresh, field) for field in GOOD}


def test_a_change_is_trimmed_and_noted(customer: Customer) -> None:
    before = timezone.now()
    changed = change(customer, **{field: f"  {value}\n" for field, value in GOOD.items()})
    assert stored(customer) == GOOD
    fresh = Customer.objects.get(pk=customer.pk)
    assert fresh.email_key == "ann@example.org"
    assert fresh.changed_at is not None
    assert fresh.changed_at >= before
    assert {field: getattr(changed, field) for field in ("email_key", "changed_at", *GOOD)} == {
        field: getattr(fresh, field) for field in ("email_key", "changed_at", *GOOD)
    }
    assert (fresh.job, fresh.row_number) == (customer.job, 1)


def test_what_stays_as_it_is_has_not_been_changed(customer: Customer) -> None:
    change(customer, name=" Person 1", email="person.1@example.org ", phone="+49 30 1", company="Company 1")
    assert Customer.objects.get(pk=customer.pk).changed_at is None


def test_only_the_case_of_an_address_can_be_changed(customer: Customer) -> None:
    change(customer, **{**GOOD, "email": "PERSON.1@example.org"})
    assert stored(customer)["email"] == "PERSON.1@example.org"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", " ", "the name is empty"),
        ("name", "x" * 256, "the name has more than 255 characters"),
        ("name", "A\0nn", "there is a character in it that cannot be stored"),
        ("email", "", "the e-mail address is empty"),
        ("email", "ann", "the e-mail address is not valid"),
        ("email", "a\0nn@example.org", "the e-mail address is not valid"),
        ("email", "a" * 10_000 + "@example.org", "the e-mail address is not valid"),
        ("phone", "1" * 65, "the phone number has more than 64 characters"),
        ("phone", "\0", "there is a character in it that cannot be stored"),
        ("company", "", "the company is empty"),
        ("company", "x" * 10_000, "the company has more than 255 characters"),
        ("company", "\0", "there is a character in it that cannot be stored"),
    ],
)
def test_what_breaks_a_rule_of_imports_is_refused(customer: Customer, field: str, value: str, told: str) -> None:
    before = stored(customer)
    values = {**GOOD, field: value}
    with pytest.raises(Refusal) as refused:
        change(customer, **values)
    assert (refused.value.code, refused.value.status) == ("bad_customer", 400)
    assert refused.value.message == f"The customer cannot be saved: {told}."
    assert faults(values) == {field: [told]}
    assert stored(customer) == before
    assert Customer.objects.get(pk=customer.pk).changed_at is None


def test_all_that_is_wrong_is_told_at_once(customer: Customer) -> None:
    with pytest.raises(Refusal) as refused:
        change(customer, name="", email="", phone="1" * 65, company="")
    assert refused.value.message == (
        "The customer cannot be saved: the name is empty; the e-mail address is empty; "
        "the phone number has more than 64 characters; the company is empty."
    )


def test_as_long_as_possible_is_not_too_long(customer: Customer) -> None:
    change(customer, name="ü" * 255, email="a@" + "b" * 60 + ".org", phone="1" * 64, company="x" * 255)
    assert stored(customer)["name"] == "ü" * 255


def test_an_address_is_one_customers(customer: Customer, imported: Imported) -> None:
    imported(customers_csv(1, first=2))
    with pytest.raises(Refusal) as refused:
        change(customer, **{**GOOD, "email": "Person.2@EXAMPLE.org"})
    assert (refused.value.code, refused.value.status) == ("email_taken", 409)
    assert stored(customer)["email"] == "person.1@example.org"
    assert customer.email == "person.1@example.org"


def test_another_persons_customer_takes_no_address(customer: Customer, stranger: User, imported: Imported) -> None:
    imported(customers_csv(1, first=2), owner=stranger)
    change(customer, **{**GOOD, "email": "person.2@example.org"})
    assert Customer.objects.filter(email_key="person.2@example.org").count() == 2


def test_a_changed_customer_keeps_its_import_from_being_undone(customer: Customer) -> None:
    assert customer.job is not None
    change(customer, **GOOD)
    with pytest.raises(Refusal) as refused:
        lifecycle.undo(customer.job)
    assert refused.value.code == "customers_changed"
    delete(customer)
    lifecycle.undo(customer.job)


def test_what_is_deleted_is_gone_and_its_address_free(customer: Customer, imported: Imported) -> None:
    delete(customer)
    assert not Customer.objects.exists()
    assert imported(customers_csv(1)).bad_rows == 0


def test_what_somebody_has_just_deleted_is_not_there(customer: Customer) -> None:
    Customer.objects.get(pk=customer.pk).delete()
    for act in (lambda: change(customer, **GOOD), lambda: delete(customer)):
        with pytest.raises(Refusal) as refused:
            act()
        assert (refused.value.code, refused.value.status) == ("not_found", 404)
