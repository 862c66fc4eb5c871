"""Customers in the admin: found among millions, changed by the rules of an import, deleted. Nobody adds one here."""

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.errors import Refusal
from accounts.models import User
from accounts.numbers import number
from reports.customers import changes
from reports.models import Customer

# More are taken back with their import, or with their owner's account.
MOST_AT_ONCE = 1000
# Of those that are to be deleted, so many are listed.
_LISTED = 100
_LARGEST_ID = 2**63 - 1


class CustomerForm(forms.ModelForm[Customer]):
    class Meta:
        model = Customer
        fields = changes.FIELDS

    def clean(self) -> dict[str, Any]:
        """Writes the customer, if all is well: whether an address is free, the database alone can tell. The admin
        validates and saves in one transaction."""
        values = {field: self.cleaned_data.get(field, "") for field in changes.FIELDS}
        for field, words in changes.faults(values).items():
            if field not in self.errors:
                self.add_error(field, changes.sentence(words))
        if not self.errors:
            try:
                changes.change(self.instance, **values)
            except Refusal as refusal:
                if refusal.code == "email_taken":
                    self.add_error("email", _("Another customer of this owner has this e-mail address."))
                else:
                    self.add_error(None, refusal.message)
        return self.cleaned_data


class Changed(admin.SimpleListFilter):
    title = gettext_lazy("changed after the import")
    parameter_name = "changed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Customer]) -> QuerySet[Customer]:
        asked = self.value()
        return queryset if asked not in ("yes", "no") else queryset.filter(changed_at__isnull=asked == "no")


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin[Customer]):
    """The list is in order of the ids, and so is a range of an index; no other order would be one."""

    form = CustomerForm
    list_display = ("name", "email", "company", "owner", "from_import", "imported_at", "changed_at")
    list_filter = (Changed,)
    list_select_related = ("owner", "job__upload")
    list_per_page = 50
    list_max_show_all = 0
    ordering = ("-id",)
    sortable_by = ("imported_at",)
    # What is asked is decided by `get_search_results`; the names here let the page have its field.
    search_fields = ("name", "email", "company")
    search_help_text = gettext_lazy(
        "An e-mail address, the customer's or the owner's, the id of a customer or of an import: found at once. "
        "Otherwise a part of a name or a company, for which all customers are read."
    )
    show_full_result_count = False
    fields = (*changes.FIELDS, "owner_link", "from_import", "row_number", "created_at", "changed_at")
    readonly_fields = ("owner_link", "from_import", "row_number", "created_at", "changed_at")

    @admin.display(description=gettext_lazy("owner"))
    def owner_link(self, customer: Customer) -> str:
        return _link("admin:accounts_user_change", customer.owner_id, customer.owner.email)

    @admin.display(description=gettext_lazy("import"))
    def from_import(self, customer: Customer) -> str:
        job = customer.job
        return "–" if job is None else _link("admin:reports_job_change", job.pk, job.upload.filename)

    @admin.display(description=gettext_lazy("imported"), ordering="id")
    def imported_at(self, customer: Customer) -> Any:
        return customer.created_at

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        """By an index, whenever what is asked for can be found by one."""
        # Nothing stored has a NUL, and PostgreSQL takes none.
        term = search_term.replace("\0", "").strip()
        if job := _uuid(term):
            return queryset.filter(job=job), False
        if term.isascii() and term.isdigit():
            # An id that is none finds nothing, however long it is.
            return queryset.filter(pk=int(term)) if len(term) <= len(str(_LARGEST_ID)) else queryset.none(), False
        if "@" in term:
            # Their ids first: of one address or the other, a database would read all customers.
            owner = Q(owner__in=list(User.objects.filter(email=term.lower()).values_list("pk", flat=True)))
            return queryset.filter(Q(pk__in=_with_address(term.lower())) | owner), False
        found = Q(name__icontains=term) | Q(company__icontains=term)
        return queryset.filter(found) if term else queryset, False

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        """The form has written it."""

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        if request.POST.get("select_across") == "1" and queryset[: MOST_AT_ONCE + 1].count() > MOST_AT_ONCE:
            told = _("That is more than %(count)s customers. To remove those of an import, undo it on its page.")
            self.message_user(request, told % {"count": number(MOST_AT_ONCE)}, level=messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Nothing else goes with customers. Django would look for it, and ask for leave to change what they name."""
        customers = list(objs)
        listed = [str(customer) for customer in customers[:_LISTED]]
        if more := len(customers) - len(listed):
            listed.append(ngettext("and %(count)s more", "and %(count)s more", more) % {"count": number(more)})
        return listed, {str(self.opts.verbose_name_plural): len(customers)}, set(), []

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


def _link(view: str, pk: Any, text: str) -> str:
    return format_html('<a href="{}">{}</a>', reverse(view, args=[pk]), text)


def _with_address(key: str) -> list[int]:
    """The index on addresses begins with the owner: all owners, of whom there are few, are looked through."""
    owners = User.objects.values("pk")
    return list(Customer.objects.filter(owner__in=owners, email_key=key).values_list("pk", flat=True))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
