"""What an import of customers must come to, in the plainest Python: row after row, with all in memory."""

import csv
import io
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

NAMES = {
    "name": ["name", "fullname", "customername", "customer", "contact"],
    "email": ["email", "emailaddress", "mail"],
    "phone": ["phone", "phonenumber", "telephone", "mobile"],
    "company": ["company", "companyname", "organization", "organisation"],
}
WORDS = {
    "wrong_number_of_fields": "the number of fields differs from the header's",
    "empty_name": "the name is empty",
    "name_too_long": "the name has more than 255 characters",
    "empty_email": "the e-mail address is empty",
    "invalid_email": "the e-mail address is not valid",
    "phone_too_long": "the phone number has more than 64 characters",
    "empty_company": "the company is empty",
    "company_too_long": "the company has more than 255 characters",
    "invalid_character": "there is a character in it that cannot be stored",
    "email_repeated": "an earlier row of the file has the same e-mail address",
    "email_taken": "there is a customer with this e-mail address already",
}
is_email = EmailValidator(allowlist=[])


@dataclass
class Imported:
    """`customers` as number of the row, name, e-mail, phone, company; `report` with its header."""

    customers: list[tuple[int, str, str, str, str]] = field(default_factory=list)
    report: list[list[str]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    rows: int = 0


def import_customers(text: str, taken: Collection[str] = ()) -> Imported:
    """`taken` are the addresses, in small letters, of customers that are there already."""
    records = [fields for fields in csv.reader(io.StringIO(text, newline="")) if fields]
    header = records[0]
    plain = [name.strip().lower().replace(" ", "").replace("-", "").replace("_", "") for name in header]
    places = {role: next((plain.index(name) for name in names if name in plain), None) for role, names in NAMES.items()}
    others = [place for place in range(len(header)) if place not in places.values()]
    result = Imported()
    result.report.append(["rowNumber", *NAMES, "error", *(header[place] for place in others)])
    seen: set[str] = set()
    for number, fields in enumerate(records[1:], start=1):
        result.rows += 1
        values = {role: "" if place is None else "".join(fields[place : place + 1]) for role, place in places.items()}
        name, email, phone, company = (value.strip() for value in values.values())
        codes = faults(name, email, phone, company) if len(fields) == len(header) else ["wrong_number_of_fields"]
        key = email.lower()
        if not {"wrong_number_of_fields", "empty_email", "invalid_email"}.intersection(codes):
            codes += ["email_repeated"] if key in seen else ["email_taken"] if key in taken else []
        if not codes:
            seen.add(key)
            result.customers.append((number, name, email, phone, company))
            continue
        result.reasons.update(codes)
        told = "; ".join(WORDS[code] for code in codes)
        rest = ["".join(fields[place : place + 1]) for place in others] + fields[len(header) :]
        result.report.append([str(number), *values.values(), told, *rest])
    return result


def faults(name: str, email: str, phone: str, company: str) -> list[str]:
    codes = []
    if not name:
        codes.append("empty_name")
    if len(name) > 255:
        codes.append("name_too_long")
    if not email:
        codes.append("empty_email")
    elif not is_valid(email):
        codes.append("invalid_email")
    if len(phone) > 64:
        codes.append("phone_too_long")
    if not company:
        codes.append("empty_company")
    if len(company) > 255:
        codes.append("company_too_long")
    if "\0" in name or "\0" in phone or "\0" in company:
        codes.append("invalid_character")
    return codes


def is_valid(email: str) -> bool:
    try:
        is_email(email)
    except ValidationError:
        return False
    return len(email) <= 254 and len(email.lower()) <= 254
