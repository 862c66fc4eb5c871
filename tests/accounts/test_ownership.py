"""Owners are held one at a time, and an owner who is gone is refused."""

import pytest
from django.db import transaction

from accounts.errors import Refusal
from accounts.models import User
from accounts.ownership import hold_owner

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_owner_is_held_for_the_transaction_and_returned(user: User) -> None:
    with transaction.atomic():
        assert hold_owner(user.pk) == user


def test_nothing_is_made_for_an_account_that_is_gone(user: User) -> None:
    User.objects.filter(pk=user.pk).delete()
    with transaction.atomic(), pytest.raises(Refusal) as refused:
        hold_owner(user.pk)
    assert (refused.value.code, refused.value.status) == ("not_found", 404)
