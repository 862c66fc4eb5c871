"""``python -m salesagg.secret_files FOLDER``: secrets of a site of its own, made once, each as its reader takes it.

For `docker-compose.yml`, before anything else has started, so without settings. What is made:

* ``secret_key``                                for SECRET_KEY_FILE
* ``pgpass``, ``postgres_password``             the database's password: as libpq takes it, and as the database does
* ``s3_credentials``, ``s3.json``               the key of the object store: as botocore takes it, and as the store does
* ``grafana_password``                          of the user admin
* ``admin_password``                            the first one of the first administrator, who has to change it
* ``postgres_admin_password``                   of the database's superuser, whom nothing of ours uses
* ``redis/password``, ``redis/redis.conf``      Redis' password: as we take it, and as Redis does

Failure story: the power fails half way. The folder with all of them appears complete under its name or not at all; a
password of which only one side had heard would lock everybody out.
"""

import json
import os
import secrets
import shutil
import sys
from pathlib import Path

FOLDER = "secrets"
# Who reads: processes of ours and the store, PostgreSQL's, Redis' and Grafana's images, by the numbers of their users.
OURS, POSTGRES, REDIS, GRAFANA = 10001, 999, 999, 472


def make(parent: Path) -> bool:
    """Make the secrets in a folder of `parent`, unless they are there; returns whether they were made."""
    made = parent / FOLDER
    if made.exists():
        return False
    draft = parent / f".{FOLDER}.{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    _write_folder(draft, _contents())
    try:
        draft.rename(made)
    except OSError:
        # Another process was faster.
        shutil.rmtree(draft)
        return False
    return True


def add_missing(made: Path) -> None:
    """Add the secrets that versions before did not have; at the first start they are added too.

    Each appears complete or not at all. Redis' two files must agree, so they appear together, as a folder.
    """
    for name, reader in (("admin_password", OURS), ("postgres_admin_password", POSTGRES)):
        draft = made.parent / f".{name}.{os.getpid()}"
        if not (made / name).exists():
            draft.unlink(missing_ok=True)
            _write(draft, secrets.token_urlsafe(18), reader)
            draft.rename(made / name)
    if not (made / "redis").exists():
        draft = made.parent / f".redis.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        _write_folder(draft, _redis())
        draft.rename(made / "redis")


def _redis() -> dict[str, tuple[str, int]]:
    password = secrets.token_hex(32)
    return {"password": (password, OURS), "redis.conf": (f"requirepass {password}\n", REDIS)}


def _write_folder(folder: Path, contents: dict[str, tuple[str, int]]) -> None:
    folder.mkdir(mode=0o755)
    for name, (content, reader) in contents.items():
        _write(folder / name, content, reader)


def _contents() -> dict[str, tuple[str, int]]:
    """What is in each file, and who reads it."""
    # In hexadecimal: no format that they are written in has to escape anything.
    database, store_name, store_key = secrets.token_hex(32), secrets.token_hex(10), secrets.token_hex(32)
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    credentials = [{"accessKey": store_name, "secretKey": store_key}]
    identities = {"identities": [{"name": "salesagg", "credentials": credentials, "actions": actions}]}
    profile = f"[default]\naws_access_key_id = {store_name}\naws_secret_access_key = {store_key}\n"
    return {
        "secret_key": (secrets.token_urlsafe(64), OURS),
        "pgpass": (f"*:*:*:*:{database}\n", OURS),
        "postgres_password": (database, POSTGRES),
        "s3_credentials": (profile, OURS),
        "s3.json": (json.dumps(identities), OURS),
        "grafana_password": (secrets.token_urlsafe(18), GRAFANA),
    }


def _write(path: Path, content: str, reader: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if os.geteuid() == 0:
        os.chown(path, reader, reader)


def own(folder: Path) -> None:
    """Let our processes write into a volume, which belongs to root when it is new."""
    if os.geteuid() == 0 and folder.stat().st_uid != OURS:
        os.chown(folder, OURS, OURS)


if __name__ == "__main__":
    secrets_in, *volumes = map(Path, sys.argv[1:])
    for volume in volumes:
        own(volume)
    print("Secrets were made." if make(secrets_in) else "There are secrets already.")
    add_missing(secrets_in / FOLDER)
