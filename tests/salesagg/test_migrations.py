"""What a migration may do while processes of the version before are at work: they must not notice."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.migrations import AddField, CreateModel, Migration, RunPython
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED

# The first ones of which we promise it: those before came with versions that nobody ran beside each other.
FROM = {"accounts": 4, "reports": 8, "uploads": 3}


def migrations() -> Iterator[tuple[str, Migration]]:
    loader = MigrationLoader(None)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in FROM and int(name[:4]) >= FROM[app]:
            yield f"{app}.{name}", migration


def fault_of(operation: Operation, new: set[str]) -> str:
    """Why processes that know nothing of it would fail, or wait for it; empty when they would not."""
    if isinstance(operation, CreateModel):
        return ""
    if str(getattr(operation, "model_name", "")).lower() in new:
        # Of a table that nobody uses yet anything may be changed.
        return ""
    if isinstance(operation, AddField):
        field = operation.field
        if field.null or field.db_default is not NOT_PROVIDED or field.many_to_many:
            return ""
        return f"{operation.name} needs null or a db_default, or rows that older processes write are refused"
    if isinstance(operation, RunPython):
        # In a migration that only adds tables it is about these.
        return "" if new or operation.atomic is False else "change data in small transactions (atomic=False)"
    if type(operation).__name__ in ("AddIndexConcurrently", "RemoveIndexConcurrently", "SeparateDatabaseAndState"):
        return ""
    return f"{type(operation).__name__} of a table in use locks it, or takes from older processes what they use"


def test_a_migration_can_be_run_while_the_version_before_is_at_work() -> None:
    checked = 0
    for name, migration in migrations():
        new = {operation.name.lower() for operation in migration.operations if isinstance(operation, CreateModel)}
        for operation in migration.operations:
            assert (name, fault_of(operation, new)) == (name, "")
            checked += 1
    assert checked


@pytest.mark.django_db
def test_there_is_a_migration_for_every_change_of_a_model() -> None:
    assert {"accounts", "reports", "uploads"} <= set(apps.app_configs)
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
