"""Files that survive a loss of power."""

import errno
import os
from pathlib import Path


def sync(path: Path, *, root: Path) -> None:
    """Put a new file on the disk: its bytes, its entry in its folder, and the entries of that folder and its parents up
    to and including `root`, since any of them may be new.

    Failure story: a part was written and committed, the client got its 204 and sent no byte of it again, and the power
    failed. The bytes, or the folder's list of them, were still in memory alone. A parent that another process made a
    moment ago is synced here too: that process may not have got to it yet. Syncing a folder that has not changed costs
    next to nothing.
    """
    _sync(path)
    for folder in path.parents:
        _sync_folder(folder)
        if folder == root:
            break


def _sync_folder(folder: Path) -> None:
    try:
        _sync(folder)
    except OSError as error:
        # Some network file systems do not sync folders.
        if error.errno != errno.EINVAL:
            raise


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
