"""Customers changed and deleted by hand, one at a time, by the rules of an import."""

from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from accounts import audit
from accounts.acts import Act
from accounts.errors import Refusal, not_found
from reports.customers import addresses
from reports.models import Customer
from reports.pipelines import pipeline_for
from reports.pipelines.rows import RowsPipeline

FIELDS = ("name", "email", "phone", "company")
# Which field each of the judge's codes is about; one that is not here may be about any.
_ABOUT = {
    "empty_name": "name",
    "name_too_long": "name",
    "empty_email": "email",
    "invalid_email": "email",
    "phone_too_long": "phone",
    "empty_company": "company",
    "company_too_long": "company",
}


def change(customer: Customer, *, name: str, email: str, phone: str, company: str) -> Customer:
    """`customer` with these values, trimmed. Raises `Refusal`: `bad_customer` (400) if they break a rule, `email_taken`
    (409) if another customer of the owner has the address."""
    values = {"name": name.strip(), "email": email.strip(), "phone": phone.strip(), "company": company.strip()}
    if wrong := faults(values):
        told = "; ".join(words for each in wrong.values() for words in each)
        raise Refusal("bad_customer", _("The customer cannot be saved: %(faults)s.") % {"faults": told}, status=400)
    if values == {field: getattr(customer, field) for field in FIELDS}:
        return customer
    changed = {**values, "email_key": values["email"].lower(), "changed_at": timezone.now()}
    try:
        # The index that keeps addresses unique decides, as it does for an import that runs at the same moment.
        with transaction.atomic():
            addresses.hold(customer.owner_id)
            written = Customer.objects.filter(pk=customer.pk).update(**changed)
            if written:
                audit.record(Act.CUSTOMER_CHANGED, customer, account=customer.owner_id)
    except IntegrityError:
        message = _("Another customer of yours has this e-mail address already.")
        raise Refusal("email_taken", message, status=409) from None
    if not written:
        raise not_found("customer")
    for field, value in changed.items():
        setattr(customer, field, value)
    return customer


def delete(customer: Customer) -> None:
    """Raises `Refusal` (404) if somebody was faster."""
    with transaction.atomic():
        audit.record(Act.CUSTOMER_DELETED, customer, account=customer.owner_id)
        deleted, _each = Customer.objects.filter(pk=customer.pk).delete()
        if not deleted:
            raise not_found("customer")


def faults(values: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong with the values of a customer, in words, by field; nothing if they keep the rules."""
    pipeline = pipeline_for("customers")
    assert isinstance(pipeline, RowsPipeline)
    wrong: dict[str, list[str]] = {}
    for code in pipeline.judge(tuple(values[field].strip() for field in FIELDS)):
        where = [_ABOUT[code]] if code in _ABOUT else [field for field in FIELDS if "\0" in values[field]]
        wrong.setdefault(where[0], []).append(pipeline.reason(code, {}))
    return {field: wrong[field] for field in FIELDS if field in wrong}


def sentence(words: list[str]) -> str:
    """What is wrong with one field, to stand by itself."""
    return capfirst("; ".join(words)) + "."
