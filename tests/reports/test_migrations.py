"""Upgrades with jobs in the database."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from reports import lifecycle, runner
from reports.models import Checkpoint, Job
from tests.conftest import MakeUpload
from tests.files import sales_csv

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


def migrate(name: str) -> Any:
    """Bring the app's tables to this state; returns the models of that time."""
    executor = MigrationExecutor(connection)
    executor.migrate([("reports", name)])
    return MigrationExecutor(connection).loader.project_state([("reports", name)]).apps


def migrate_to_the_end() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    migrate_to_the_end()


def test_jobs_in_the_middle_begin_anew_and_completed_ones_keep_their_report(
    make_upload: MakeUpload, user: User
) -> None:
    upload = make_upload(sales_csv(100))
    running = upload.jobs.get()
    completed = lifecycle.create(upload)
    old = migrate("0001_initial")
    jobs = old.get_model("reports", "Job").objects
    layout = {"version": 1, "encoding": "utf-8", "header": ["Dept", "Sales"]}
    jobs.update(bytes_done=50, rows=5, bad_rows=1, layout=layout)
    jobs.filter(pk=running.pk).update(status="processing")
    jobs.filter(pk=completed.pk).update(status="completed")
    old.get_model("reports", "Checkpoint").objects.create(job_id=running.pk, start=0, end=50, state=b"1")
    migrate_to_the_end()
    completed, running = Job.objects.get(pk=completed.pk), Job.objects.get(pk=running.pk)
    assert completed.context == {"layout": layout, "skipping": False}
    assert (completed.position, completed.rows, completed.encoding) == (50, 5, "utf-8")
    assert (running.position, running.bytes_done, running.rows, running.context) == (0, 0, 0, None)
    assert not Checkpoint.objects.exists()
    runner.run_all()
    running.refresh_from_db()
    assert (running.status, running.rows) == ("completed", 100)
