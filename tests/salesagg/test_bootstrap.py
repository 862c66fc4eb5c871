"""What a site is given at its first start: secrets, tables, a bucket, an administrator."""

import json
import os
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from accounts.models import User
from salesagg import backends, probe, secret_files
from tests.conftest import MakeUser
from tests.services import S3, free_port
from tests.uploads.conftest import s3  # noqa: F401  (a fixture)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    assert secret_files.make(tmp_path)
    secret_files.add_missing(tmp_path / "secrets")
    return tmp_path / "secrets"


def files_in(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def bootstrap(*words: str) -> str:
    out = StringIO()
    call_command("bootstrap", *words, verbosity=0, stdout=out)
    return out.getvalue()


def test_each_secret_is_its_readers_alone(made: Path) -> None:
    files = files_in(made)
    assert len(files) == 10
    assert {stat.S_IMODE((made / name).stat().st_mode) for name in files} == {0o600}


def test_both_sides_are_told_the_same(made: Path) -> None:
    password = (made / "postgres_password").read_text()
    assert (made / "pgpass").read_text() == f"*:*:*:*:{password}\n"
    [identity] = json.loads((made / "s3.json").read_text())["identities"]
    [pair] = identity["credentials"]
    ours = (made / "s3_credentials").read_text()
    assert pair["accessKey"] in ours
    assert pair["secretKey"] in ours
    assert (made / "redis" / "redis.conf").read_text() == f"requirepass {(made / 'redis' / 'password').read_text()}\n"
    assert (made / "postgres_admin_password").read_text() != password


def test_no_two_sites_have_the_same_secrets(made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    secret_files.make(other)
    secret_files.add_missing(other / "secrets")
    theirs = files_in(other / "secrets")
    assert set(theirs) == set(files_in(made))
    assert [name for name, text in files_in(made).items() if text == theirs[name]] == []


def test_secrets_are_made_once(made: Path) -> None:
    before = files_in(made)
    assert not secret_files.make(made.parent)
    secret_files.add_missing(made)
    assert files_in(made) == before


def test_secrets_of_a_version_before_are_completed(tmp_path: Path) -> None:
    secret_files.make(tmp_path)
    before = files_in(tmp_path / "secrets")
    assert len(before) == 6
    # Cut off in the middle of the first attempt.
    (tmp_path / f".redis.{os.getpid()}").mkdir()
    (tmp_path / f".admin_password.{os.getpid()}").write_text("half")
    secret_files.add_missing(tmp_path / "secrets")
    after = files_in(tmp_path / "secrets")
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {
        *("admin_password", "postgres_admin_password", "redis/password", "redis/redis.conf")
    }
    assert len(after["admin_password"]) > 20


def test_what_a_start_that_was_cut_off_has_left_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / ".secrets.1").mkdir()
    (tmp_path / ".secrets.1" / "secret_key").write_text("half")
    assert secret_files.make(tmp_path)
    assert (tmp_path / "secrets" / "secret_key").read_text() != "half"


@pytest.mark.django_db(transaction=True)
def test_first_password_is_in_a_private_file_and_in_no_output(tmp_path: Path) -> None:
    file = tmp_path / "admin_password"
    output = bootstrap("--email", "chief@example.org", f"--password-file={file}")
    password = file.read_text().strip()
    assert password not in output
    assert str(file) in output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    user = authenticate(username="chief@example.org", password=password)
    assert isinstance(user, User)
    assert user.is_superuser
    assert user.is_staff
    assert user.must_change_password
    assert bootstrap("--email", "chief@example.org", f"--password-file={file}") == ""
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_first_password_of_a_given_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("chosen by the operator\n")
    assert "chosen" not in bootstrap(f"--password-file={tmp_path / 'password'}")
    assert authenticate(username="admin@localhost", password="chosen by the operator")


@pytest.mark.django_db(transaction=True)
def test_first_password_is_shown_on_a_terminal_alone(settings: Any, tmp_path: Path) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    settings.DATA_DIR = tmp_path
    out = Terminal()
    call_command("bootstrap", verbosity=0, stdout=out)
    password = out.getvalue().partition("The first password is ")[2].split()[0]
    assert authenticate(username="admin@localhost", password=password)
    assert list(tmp_path.iterdir()) == []
    User.objects.all().delete()
    assert (tmp_path / "admin_password").name in bootstrap()
    assert authenticate(username="admin@localhost", password=(tmp_path / "admin_password").read_text().strip())


@pytest.mark.django_db(transaction=True)
def test_first_password_that_cannot_be_kept_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be kept in"):
        bootstrap(f"--password-file={tmp_path / 'none' / 'password'}")
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_somebody_who_has_signed_up_is_not_made_administrator(make_user: MakeUser) -> None:
    user = make_user("admin@localhost")
    with pytest.raises(CommandError, match="account already"):
        bootstrap()
    user.refresh_from_db()
    assert not user.is_superuser


@pytest.mark.django_db(transaction=True)
def test_a_storage_without_its_bucket_gets_it(settings: Any, s3: S3) -> None:  # noqa: F811
    url = s3.url.replace("@salesagg", "@of-its-own")
    settings.STORAGES = settings.STORAGES | {"default": backends.file_storage(url, Path())}
    assert "has a bucket now" in bootstrap()
    assert "of-its-own" in {bucket["Name"] for bucket in s3.client.list_buckets()["Buckets"]}
    assert "bucket" not in bootstrap()


def test_a_process_that_nobody_has_started_is_not_healthy() -> None:
    assert not probe.answers(f"http://127.0.0.1:{free_port()}/healthz")
