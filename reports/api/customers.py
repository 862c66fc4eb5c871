"""Customers: listed, searched, exported, changed, deleted. What brought them is a job of the kind `customers`."""

import base64
import binascii
import uuid
from datetime import datetime
from typing import Annotated

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from ninja import Path, Query, Router
from pydantic import Field, WithJsonSchema

from accounts.api.auth import user_of
from accounts.api.paging import Page, Paging
from accounts.api.refusals import refusals
from accounts.api.schemas import In, Out, Params, problems
from accounts.errors import Refusal
from accounts.ownership import load_owned
from reports import models
from reports.api.attachments import CSV, described
from reports.customers import changes, export, listing

router = Router(tags=["Customers"], by_alias=True)

_LARGEST_ID = 2**63 - 1
# Beyond the largest there is none: that is for the database to say.
CustomerId = Annotated[int, Path(), WithJsonSchema({"type": "integer", "format": "int64", "minimum": 1})]
_JOB = "Those that this job has imported."
_Q = "A part of the name, the e-mail address, the company or the phone number."


class Customer(Out):
    """A customer of yours, from a row of a file."""

    id: int
    name: str
    email: str = Field(description="No other customer of yours has it, in capital letters or small ones.")
    phone: str = Field(description="Empty when the file has none.")
    company: str
    job_id: uuid.UUID | None = Field(description="The import that it came with; null when that has been deleted.")
    row_number: int = Field(description="In the file of that import; the first row is 1.")
    created_at: datetime
    changed_at: datetime | None = Field(
        description="When it was last changed after its import; null while it is as it came."
    )


class CustomerChange(In):
    """What shall be other than it is. Spaces around it are dropped."""

    name: str | None = Field(default=None, description="At most 255 characters, and not empty.")
    email: str | None = Field(default=None, description="A valid address that no other customer of yours has.")
    phone: str | None = Field(default=None, description="At most 64 characters.")
    company: str | None = Field(default=None, description="At most 255 characters, and not empty.")


class CustomerFilters(Params):
    q: str = Field(default="", max_length=200, description=_Q)
    job_id: Annotated[uuid.UUID | None, WithJsonSchema({"type": "string", "format": "uuid"})] = Field(
        default=None, description=_JOB
    )

    def query(self) -> listing.Query:
        # Nothing stored has a NUL, and PostgreSQL takes none.
        return listing.Query(search=self.q.replace("\0", "").strip(), job=self.job_id)


class CustomersPage(Paging, CustomerFilters):
    pass


@router.get(
    "/customers",
    response={200: Page[Customer], **problems(400)},
    openapi_extra=refusals({400: "`bad_cursor`: it is none of ours."}),
    operation_id="listCustomers",
    summary="List customers",
)
def list_customers(request: HttpRequest, asked: Annotated[CustomersPage, Query()]) -> Page[Customer]:
    """Newest first. A search reads all of yours; without one a page costs the same however many there are."""
    before = _decode(asked.cursor) if asked.cursor else None
    rows, last = listing.newest(user_of(request), asked.query(), before=before, limit=asked.limit)
    return Page(items=[_told(customer) for customer in rows], next=None if last is None else _encode(last))


@router.get(
    "/customers.csv",
    response={200: None},
    openapi_extra=described(CSV, named="`customers.csv`."),
    operation_id="exportCustomers",
    summary="Download customers as CSV",
)
def export_customers(
    request: HttpRequest,
    asked: Annotated[CustomerFilters, Query()],
    safe: Annotated[bool, Query(description="Make cells harmless that a spreadsheet might run as formulas.")] = False,
) -> HttpResponseBase:
    """`name,email,phone,company`, oldest imports first; the file can be imported again."""
    return export.download(user_of(request), asked.query(), safe=safe)


@router.get(
    "/customers/{int:customer_id}",
    response={200: Customer, **problems(404)},
    operation_id="getCustomer",
    summary="Look at a customer",
)
def get_customer(request: HttpRequest, customer_id: CustomerId) -> Customer:
    return _told(_load(request, customer_id))


@router.patch(
    "/customers/{int:customer_id}",
    response={200: Customer, **problems(400, 404, 409)},
    openapi_extra=refusals(
        {
            400: "`bad_customer`: an import would reject it so.",
            409: "`email_taken`: another customer of yours has the address.",
        }
    ),
    operation_id="changeCustomer",
    summary="Change a customer",
)
def change_customer(request: HttpRequest, customer_id: CustomerId, asked: CustomerChange) -> Customer:
    """What is left out, or null, stays as it is. An import of which a customer has been changed cannot be undone."""
    with transaction.atomic():
        # Held, so that of two programs that change different fields neither takes back what the other has done.
        customer = _load(request, customer_id, hold=True)
        wanted = {field: getattr(asked, field) for field in changes.FIELDS}
        values = {field: getattr(customer, field) if value is None else value for field, value in wanted.items()}
        return _told(changes.change(customer, **values))


@router.delete(
    "/customers/{int:customer_id}",
    response={204: None, **problems(404)},
    operation_id="deleteCustomer",
    summary="Delete a customer",
)
def delete_customer(request: HttpRequest, customer_id: CustomerId) -> HttpResponse:
    """Alone. To remove all that an import has brought, see `undoJob`."""
    changes.delete(_load(request, customer_id))
    return HttpResponse(status=204)


def _load(request: HttpRequest, customer_id: int, *, hold: bool = False) -> models.Customer:
    customers = models.Customer.objects.select_for_update() if hold else models.Customer.objects.all()
    return load_owned(customers, owner=user_of(request), pk=customer_id)


def _told(customer: models.Customer) -> Customer:
    return Customer(
        id=customer.pk,
        name=customer.name,
        email=customer.email,
        phone=customer.phone,
        company=customer.company,
        job_id=customer.job_id,
        row_number=customer.row_number,
        created_at=customer.created_at,
        changed_at=customer.changed_at,
    )


def _encode(customer_id: int) -> str:
    return base64.urlsafe_b64encode(f"customer {customer_id}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> int:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        known = text.removeprefix("customer ")
        if known != text and known.isdigit() and int(known) <= _LARGEST_ID:
            return int(known)
    except (ValueError, binascii.Error):
        pass
    message = _("This cursor is not one of ours. Use “next” of a page as it is.")
    raise Refusal("bad_cursor", message, status=400)
