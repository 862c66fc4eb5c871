"""An online backup of a data folder with SQLite: the database, the files, the secret key, as a folder that starts.

SQLite's own backup copies the database while people work: the copy is one committed state, S. Files are copied in two
rounds, one before S and one after it. Failure story of a single round after S: a job is deleted between S and the
round; S has its row and the backup lacks its file. With two rounds a file that S names is missing only if it was both
made and deleted while the backup ran. Files newer than S are in the backup and named by no row; `clean_uploads` deletes
them.
"""

import logging
import os
import shutil
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

logger = logging.getLogger(__name__)
DATABASE, FILES, KEY = "db.sqlite3", "files", "secret_key"


def make(target: Path, *, database: Path, files: Path | None, key: Path) -> None:
    """Write the backup. The folder `target` appears when it is complete; it must not exist.

    Raises `FileExistsError`, `OSError` and `sqlite3.Error`.
    """
    if target.exists():
        raise FileExistsError(target)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    try:
        _write(draft, database=database, files=files, key=key)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _write(folder: Path, *, database: Path, files: Path | None, key: Path) -> None:
    if files is not None:
        _copy_new(files, folder / FILES)
    _copy_database(database, folder / DATABASE)
    if files is not None:
        _copy_new(files, folder / FILES)
    if key.exists():
        _copy_file(key, folder / KEY)
    os.sync()


def _copy_database(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(source, timeout=60)) as one, closing(sqlite3.connect(target)) as other:
        # In one step: its read lock keeps no writer out, and a copy in steps begins again with every write.
        one.backup(other)
        [result] = other.execute("PRAGMA quick_check").fetchone()
    if result != "ok":
        raise sqlite3.DatabaseError(f"the copy is damaged: {result}")


def _copy_new(source: Path, target: Path) -> None:
    """Copy what the target does not have, or has otherwise: a file may have been in the middle of being written."""
    target.mkdir(mode=0o700, exist_ok=True)
    for folder, _folders, names in os.walk(source):
        here = target / Path(folder).relative_to(source)
        here.mkdir(mode=0o700, exist_ok=True)
        for name in names:
            # Deleted since the folder was listed.
            with suppress(FileNotFoundError):
                if not stat.S_ISREG((Path(folder) / name).lstat().st_mode):
                    # A link or a pipe is not ours: people put them into folders of imports.
                    logger.warning("left out of the backup, since it is no regular file: %s", Path(folder) / name)
                elif _differs(Path(folder) / name, here / name):
                    _copy_file(Path(folder) / name, here / name)


def _differs(source: Path, target: Path) -> bool:
    if not target.exists():
        return True
    one, other = source.stat(), target.stat()
    return (one.st_size, one.st_mtime_ns) != (other.st_size, other.st_mtime_ns)


def _copy_file(source: Path, target: Path) -> None:
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)
        raise
    target.chmod(0o600)
