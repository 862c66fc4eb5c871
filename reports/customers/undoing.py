"""Taking an import back: the customers it brought are removed, in steps short enough for others to write in between."""

from collections.abc import Callable, Iterator

from django.db.models import QuerySet
from django.utils.translation import ngettext

from accounts.errors import Refusal
from accounts.models import User
from accounts.numbers import number
from reports.models import Customer, Job

# Customers in one step.
STEP = 5000


def remove_imported(job: Job) -> Iterator[None]:
    """Remove the customers that `job` has imported and nobody has changed since, a step each time it is asked."""
    yield from _by_steps(Customer.objects.filter(job=job, changed_at=None), lambda step: step.delete())


def let_go(job: Job) -> None:
    """The customers of `job` stay, without it."""
    for _step in _by_steps(Customer.objects.filter(job=job), lambda step: step.update(job=None)):
        pass


def remove_all(owner: User) -> None:
    """Remove every customer of `owner`."""
    for _step in _by_steps(Customer.objects.filter(owner=owner), lambda step: step.delete()):
        pass


def written(job: Job) -> str:
    """The customers of `job` that there are, in words."""
    there = Customer.objects.filter(job=job).count()
    return ngettext("%(count)s customer", "%(count)s customers", there) % {"count": number(there)}


def check(job: Job) -> None:
    """Raise `Refusal` (409) if some of its customers have been changed since: that would be lost with them."""
    changed = Customer.objects.filter(job=job, changed_at__isnull=False).count()
    if changed:
        message = ngettext(
            "%(count)s customer of this import has been changed since. Delete that one first, or leave the import.",
            "%(count)s customers of this import have been changed since. Delete those first, or leave the import.",
            changed,
        )
        raise Refusal("customers_changed", message % {"count": number(changed)}, status=409)


def _by_steps(customers: QuerySet[Customer], act: Callable[[QuerySet[Customer]], object]) -> Iterator[None]:
    while keys := list(customers.values_list("pk", flat=True)[:STEP]):
        # Still on the same conditions: one may have been changed since.
        act(customers.filter(pk__in=keys))
        yield
