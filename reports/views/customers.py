"""A person's customers: listed, searched, exported, and each of them changed or deleted."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import require_user
from accounts.errors import Refusal
from accounts.models import User
from accounts.ownership import load_owned
from reports.customers import changes, export
from reports.customers.listing import Query, page_of
from reports.models import Customer, Job
from reports.views.downloads import wants_safe

# More imports than this are not offered to choose from. Those before them are reached from their own pages.
MAX_CHOICES = 100


class CustomerForm(forms.Form):
    # Only `changes.faults` says what a customer is; Django's fields would judge by other rules.
    name = forms.CharField(label=gettext_lazy("Name"), required=False)
    email = forms.CharField(label=gettext_lazy("E-mail"), required=False)
    phone = forms.CharField(label=gettext_lazy("Phone"), required=False)
    company = forms.CharField(label=gettext_lazy("Company"), required=False)
    _LONGEST = {
        "name": Customer.NAME_LENGTH,
        "email": Customer.EMAIL_LENGTH,
        "phone": Customer.PHONE_LENGTH,
        "company": Customer.NAME_LENGTH,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            # Somebody else's data, not that of who fills it in; and Chromium would rewrite what is typed as an address.
            field.widget.attrs |= {"autocomplete": "off", "spellcheck": "false", "required": name != "phone"}
            field.widget.attrs["maxlength"] = str(self._LONGEST[name])
        self.fields["email"].widget.attrs["inputmode"] = "email"
        self.fields["phone"].widget.attrs["inputmode"] = "tel"

    def clean(self) -> dict[str, Any]:
        values = {field: self.cleaned_data.get(field, "") for field in changes.FIELDS}
        for field, words in changes.faults(values).items():
            if field not in self.errors:
                self.add_error(field, changes.sentence(words))
        return self.cleaned_data


@require_safe
@login_required
def customers(request: HttpRequest) -> HttpResponse:
    context = _list(request)
    imports = list(_imports(require_user(request)))
    chosen = context["query"].job
    # One that has no customers any more, or is older than those offered.
    other = chosen is not None and chosen not in [job.pk for job in imports]
    return render(request, "reports/customers.html", context | {"imports": imports, "other_import": other})


@require_safe
@login_required
def table(request: HttpRequest) -> HttpResponse:
    """A page of the list alone, in some order, searched or not."""
    return render(request, "reports/customers_table.html", _list(request))


@require_safe
@login_required
def download(request: HttpRequest) -> HttpResponseBase:
    """All that a search finds, as CSV."""
    return export.download(require_user(request), Query.read(request.GET), safe=wants_safe(request))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def customer(request: HttpRequest, pk: int) -> HttpResponse:
    """One customer, to be changed."""
    found, status = _load(request, pk), 200
    posted = request.POST if request.method == "POST" else None
    form = CustomerForm(posted, initial={field: getattr(found, field) for field in changes.FIELDS})
    if form.is_valid():
        try:
            changes.change(found, **form.cleaned_data)
        except Refusal as refusal:
            if refusal.code != "email_taken":
                raise
            form.add_error("email", refusal.message)
            status = refusal.status
        else:
            messages.success(request, _("Your changes have been saved."))
            return redirect("customer", found.pk)
    return render(request, "reports/customers_change.html", {"customer": found, "form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then delete the customer."""
    found = _load(request, pk)
    if request.method != "POST":
        return render(request, "reports/customers_delete.html", {"customer": found})
    changes.delete(found)
    messages.success(request, _("“%(name)s” has been deleted.") % {"name": found.name})
    return redirect("customers")


def _load(request: HttpRequest, pk: int) -> Customer:
    return load_owned(Customer.objects.select_related("job__upload"), owner=require_user(request), pk=pk)


def _list(request: HttpRequest) -> dict[str, Any]:
    query = Query.read(request.GET)
    return {
        "page": page_of(require_user(request), query),
        "query": query,
        "base": reverse("customers"),
        "exported": Query(search=query.search, job=query.job).address(),
    }


def _imports(owner: User) -> QuerySet[Job]:
    """Those that customers have come from, newest first."""
    theirs = Customer.objects.filter(job=OuterRef("pk"))
    imports = Job.objects.filter(Exists(theirs), owner=owner, kind="customers").select_related("upload")
    return imports.order_by("-created_at")[:MAX_CHOICES]
