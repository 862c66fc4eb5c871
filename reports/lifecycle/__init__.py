"""A job's life: ``pending → processing → completed | failed | cancelled``, and back to pending by retry.

The one place that changes a job's state: `claims` by workers, `orders` and `removal` by owners, `upkeep` by neither;
`queue` says whose turn it is. The row in the database is the truth; messages are hints. Every change is a
guarded UPDATE, and a count other than 1 means that somebody else has decided: nothing is written then.

The promise is at-least-once execution and an exactly-once result. A worker claims a job with a fresh token and a
lease; whatever it writes is guarded by that token. Failure story: worker A is stopped (SIGSTOP) longer than its lease,
B claims the job and goes on from the last checkpoint, A wakes up and commits its window. A's UPDATE names a token that
is no longer there, hits no row, and its transaction is rolled back: the window is counted once, by B.

Times of leases are the database's clock alone; a worker's clock may be wrong.
"""

from reports.lifecycle.changes import lease_end
from reports.lifecycle.claims import (
    Claim,
    ClaimLost,
    Window,
    cancelled,
    claim,
    commit_window,
    complete,
    fail,
    note_error,
    others_wait,
    release,
    renew,
    step_back,
    write,
)
from reports.lifecycle.orders import cancel, check_open_jobs, create, process, retry, run_again
from reports.lifecycle.queue import hint_if_runnable, runnable
from reports.lifecycle.removal import delete, finish_undos, undo
from reports.lifecycle.upkeep import end_abandoned, end_for_lost_upload, end_lost, upload_progressed

__all__ = [
    "Claim",
    "ClaimLost",
    "Window",
    "cancel",
    "cancelled",
    "check_open_jobs",
    "claim",
    "commit_window",
    "complete",
    "create",
    "delete",
    "end_abandoned",
    "end_for_lost_upload",
    "end_lost",
    "fail",
    "finish_undos",
    "hint_if_runnable",
    "lease_end",
    "note_error",
    "others_wait",
    "process",
    "release",
    "renew",
    "retry",
    "run_again",
    "runnable",
    "step_back",
    "undo",
    "upload_progressed",
    "write",
]
