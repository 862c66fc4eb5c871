"""Customers: every good row becomes a `Customer` of the person who uploads the file."""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

from reports.customers import importing, undoing
from reports.models import Customer, Job
from reports.pipelines.base import Column
from reports.pipelines.rows import Judged, RowsPipeline

# What most addresses look like; each of them is one by the rule below, which is much slower. A part of a domain has at
# most 63 characters.
_PLAIN = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9]{1,20}(?:-[A-Za-z0-9]{1,20}){0,2}\.)+[A-Za-z]{2,63}"
)
_is_email = EmailValidator(allowlist=[])


class CustomersPipeline(RowsPipeline):
    """Name, e-mail and company are required. An e-mail address is one customer's, among all of its owner's."""

    kind = "customers"
    title = _("Customers")
    columns = {
        "name": Column(_("Name"), ("name", "fullname", "customername", "customer", "contact"), option="name_column"),
        "email": Column(_("E-mail"), ("email", "emailaddress", "mail"), option="email_column"),
        "phone": Column(_("Phone"), ("phone", "phonenumber", "telephone", "mobile"), False, option="phone_column"),
        "company": Column(
            _("Company"), ("company", "companyname", "organization", "organisation"), option="company_column"
        ),
    }
    reasons = {
        "empty_name": _("the name is empty"),
        "name_too_long": _("the name has more than 255 characters"),
        "empty_email": _("the e-mail address is empty"),
        "invalid_email": _("the e-mail address is not valid"),
        "email_repeated": _("an earlier row of the file has the same e-mail address"),
        "email_taken": _("there is a customer with this e-mail address already"),
        "phone_too_long": _("the phone number has more than 64 characters"),
        "empty_company": _("the company is empty"),
        "company_too_long": _("the company has more than 255 characters"),
        "invalid_character": _("there is a character in it that cannot be stored"),
    }
    sign = "email"
    one_at_a_time = True
    can_be_undone = True

    @property
    def window_bytes(self) -> int:
        return int(settings.IMPORT_WINDOW_BYTES)

    def judge(self, values: tuple[str, ...]) -> list[str]:
        name, email, phone, company = values
        if (
            name
            and company
            and len(name) <= Customer.NAME_LENGTH
            and len(email) <= Customer.EMAIL_LENGTH
            and len(phone) <= Customer.PHONE_LENGTH
            and len(company) <= Customer.NAME_LENGTH
            and (_PLAIN.fullmatch(email) or _is_valid(email))
            and "\0" not in name + phone + company
        ):
            return []
        return _faults(name, email, phone, company)

    def prepare(self, job: Job, rows: Judged) -> importing.Prepared:
        return importing.prepare(job, rows)

    def keep(self, job: Job, rows: Judged, prepared: importing.Prepared) -> None:
        importing.insert(job, rows, prepared)

    def written(self, job: Job) -> str:
        return undoing.written(job)

    def check_undo(self, job: Job) -> None:
        undoing.check(job)

    def undo(self, job: Job) -> Iterator[None]:
        return undoing.remove_imported(job)

    def let_go(self, job: Job) -> None:
        undoing.let_go(job)


def _faults(name: str, email: str, phone: str, company: str) -> list[str]:
    found = {
        "empty_name": not name,
        "name_too_long": len(name) > Customer.NAME_LENGTH,
        "empty_email": not email,
        "invalid_email": bool(email) and not _is_valid(email),
        "phone_too_long": len(phone) > Customer.PHONE_LENGTH,
        "empty_company": not company,
        "company_too_long": len(company) > Customer.NAME_LENGTH,
        "invalid_character": "\0" in name + phone + company,
    }
    return [code for code, is_so in found.items() if is_so]


def _is_valid(email: Any) -> bool:
    try:
        _is_email(email)
    except ValidationError:
        return False
    # Some letters become two when they are made small.
    return len(email.lower()) <= Customer.EMAIL_LENGTH
