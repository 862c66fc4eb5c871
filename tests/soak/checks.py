"""What must be true when everybody has gone home."""

import os
import random
import time
from collections.abc import Callable

from tests.services import wait_until
from tests.services.watching import Page
from tests.soak.people import Ledger
from tests.soak.program import END_GRACE_SECONDS, Program
from tests.soak.world import World

# A process answers with so many threads at most, each with a connection, and a few besides.
CONNECTIONS_EACH = 24
HOURS_AGO = 7 * 3600
# Counts of what must not be there.
NONE_OF = {
    "jobs that have not ended": "FROM reports_job WHERE status IN ('pending', 'processing')",
    "jobs that failed": "FROM reports_job WHERE status = 'failed'",
    "ended jobs with a lease": "FROM reports_job WHERE token IS NOT NULL OR lease_until IS NOT NULL",
    "attempts that have not ended": "FROM reports_attempt WHERE ended_at IS NULL",
    "checkpoints of completed jobs": "FROM reports_checkpoint c JOIN reports_job j ON j.id = c.job_id "
    "WHERE j.status = 'completed'",
    "splits": "FROM reports_split",
    "uploads that are being received": "FROM uploads_upload WHERE state = 'receiving'",
    "parts of uploads that are gone": "FROM uploads_part p JOIN uploads_upload u ON u.id = p.upload_id "
    "WHERE u.state IN ('cancelled', 'expired')",
    "uploads whose parts have gaps": "FROM uploads_upload u WHERE state = 'complete' AND length <> "
    "(SELECT coalesce(sum(size), 0) FROM uploads_part WHERE upload_id = u.id)",
    "completed jobs of which nobody was told": "FROM reports_job j WHERE status = 'completed' AND NOT EXISTS "
    "(SELECT FROM reports_delivery WHERE job_id = j.id)",
    "ends told more than once": "FROM (SELECT FROM reports_delivery WHERE job_id IS NOT NULL GROUP BY job_id "
    "HAVING count(*) > 1) AS doubled",
    "jobs without an attempt that completed": "FROM reports_job j WHERE status = 'completed' AND "
    "(SELECT count(*) FROM reports_attempt WHERE job_id = j.id AND outcome = 'completed') <> 1",
}


def cancel_unnamed(world: World, ledger: Ledger) -> None:
    """Uploads whose client was never told of them, since the process was killed that should have: nobody goes on with
    them, and their owner sees them and takes them back."""
    program = Program(world, random.Random(0), ledger.errors)
    unfinished = (
        "SELECT coalesce(json_agg(json_build_array(u.id, j.id)), '[]') "
        "FROM uploads_upload u LEFT JOIN reports_job j ON u.id = j.upload_id WHERE u.state = 'receiving'"
    )
    for upload, job in program.query(unfinished):
        if job in ledger.known:
            ledger.blame(f"job {job} was {ledger.known[job]}, and its upload is open")
        ledger.count("never named, taken back")
        program.take_back(upload)


def check_all(world: World, ledger: Ledger, pages: list[Page]) -> None:
    cancel_unnamed(world, ledger)
    open_jobs = f"SELECT count(*) = 0 {NONE_OF['jobs that have not ended']}"
    _look(ledger, lambda: world.site.query(open_jobs), "every job to end", seconds=END_GRACE_SECONDS)
    # The next sweep takes care of those that a worker has left that was asleep.
    _look(ledger, lambda: world.site.query(f"SELECT count(*) = 0 {NONE_OF['splits']}"), "no splits", seconds=15)
    # A web process that was killed as it cancelled has left the bytes for the daily clean-up.
    _age(world)
    world.site.manage("clean_uploads")
    for what, rows in NONE_OF.items():
        if count := world.site.query(f"SELECT count(*) {rows}"):
            ledger.blame(f"{count} {what}")
    _check_statuses(world, ledger)
    _check_files(world, ledger)
    _check_pages(world, ledger, pages)
    _check_processes(world, ledger)


def _check_statuses(world: World, ledger: Ledger) -> None:
    """No job is gone, and none has left the end that it had."""
    now = world.site.query("SELECT coalesce(json_object_agg(id, status), '{}') FROM reports_job")
    for job, ended in ledger.known.items():
        if now.get(job) != ended:
            ledger.blame(f"job {job} was {ended}, and is {now.get(job)}")


def _age(world: World) -> None:
    """Chunks are younger than what the clean-up takes."""
    then = time.time() - HOURS_AGO
    for path in (world.folder / "data" / "files").rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def _check_files(world: World, ledger: Ledger) -> None:
    """Every object that a row names is there, and none besides."""
    root = world.folder / "data" / "files"
    if not root.exists():
        # In S3.
        return
    named = set(
        world.site.query(
            "SELECT coalesce(json_agg(name), '[]') FROM (SELECT storage_name AS name FROM uploads_part UNION "
            "SELECT storage_name FROM reports_rejectedrows UNION SELECT result_name FROM reports_job) AS names "
            "WHERE name <> ''"
        )
    )
    stored = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    for what, names in (("are lost", named - stored), ("belong to nothing", stored - named)):
        if names:
            ledger.blame(f"{len(names)} files {what}, such as {sorted(names)[:3]}")


def _check_pages(world: World, ledger: Ledger, pages: list[Page]) -> None:
    """Whoever has watched all the time sees what is so."""
    now = world.site.query(
        "SELECT coalesce(json_object_agg(id, status), '{}') FROM "
        "(SELECT id, status FROM reports_job ORDER BY created_at DESC LIMIT 40) AS latest"
    )
    for page in pages:

        def is_right(page: Page = page) -> bool:
            return all(page.jobs.get(job, {}).get("status") == status for job, status in now.items())

        _look(ledger, is_right, "a page to catch up", seconds=15)


def _check_processes(world: World, ledger: Ledger) -> None:
    for place in world.fallen():
        ledger.blame(f"a {place.sort} has ended by itself:\n{place.process.output[-2000:]}")
    for place in world.places:
        if place.has_grown:
            ledger.blame(f"a {place.sort} grew: {[size >> 20 for size in place.memory]} MiB")
    connections = world.site.query("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    if connections > CONNECTIONS_EACH * len(world.places):
        ledger.blame(f"{connections} connections to the database")


def _look(ledger: Ledger, look: Callable[[], object], what: str, *, seconds: float) -> None:
    try:
        wait_until(look, what=what, timeout=seconds)
    except AssertionError as error:
        ledger.blame(str(error))
