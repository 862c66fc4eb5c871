"""Rows written by the thousand: every text comes back as it was, whatever it means to the way by which it went."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import User
from reports import bulk
from reports.models import Customer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
FIELDS = ("owner", "created_at", "row_number", "name", "email", "email_key", "phone", "company")
HOSTILE = ["", "plain", "a\tb", "a\nb", "a\r\nb", "\\", "\\N", "\\.", "\\t", '"', '","', "ä€😀", "\x01\x7f", " a "]


def insert(owner: User, names: list[str]) -> None:
    now = bulk.prepared(Customer, "created_at", timezone.now())
    rows = [(owner.pk, now, number, name, "a", f"{number}", name, name) for number, name in enumerate(names)]
    bulk.insert(Customer, FIELDS, rows)


def written() -> list[tuple[str, str, str]]:
    return list(Customer.objects.order_by("row_number").values_list("name", "phone", "company"))


@pytest.mark.parametrize("names", [HOSTILE, *([name] for name in HOSTILE)], ids=repr)
def test_texts_come_back_as_they_were(user: User, names: list[str]) -> None:
    insert(user, names)
    assert written() == [(name, name, name) for name in names]


NAMES = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60), max_size=20)


@settings(max_examples=60, deadline=None)
@given(names=NAMES)
def test_whatever_they_are(names: list[str]) -> None:
    with transaction.atomic():
        user = User.objects.create_user("someone@example.org")
        insert(user, names)
        assert written() == [(name, name, name) for name in names]
        transaction.set_rollback(True)


def test_what_a_constraint_forbids_is_an_integrity_error_and_nothing_is_written(user: User) -> None:
    insert(user, ["first"])
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(user, ["again", "other"])
    assert written() == [("first", "first", "first")]
