"""Factories and fixtures that every test may use."""

import base64
import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import Client
from django.utils import translation

from accounts import bindings, tokens
from accounts.credentials import EVERYTHING, Credentials
from accounts.models import User
from reports import runner
from reports.models import Job
from uploads import lifecycle, metadata, parts
from uploads.models import Upload

PASSWORD = "correct horse battery"

MakeUser = Callable[..., User]
MakeUpload = Callable[..., Upload]


# Rows that migrations make and no test changes.
KEPT = ("django_content_type", "auth_permission")
# Most tables are empty most of the time, and to look is a hundredth of what TRUNCATE costs, which makes files anew.
EMPTY = """DO $$ DECLARE name text; found boolean; BEGIN
FOREACH name IN ARRAY ARRAY[{tables}] LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO found;
    IF found THEN EXECUTE format('DELETE FROM %I', name); END IF;
END LOOP; END $$"""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """After each test that commits Django empties the database, and then makes the rows of models and permissions anew,
    which takes longer than most tests. Here those stay, and only what has rows is emptied."""
    operations: Any = type(connection.ops)
    sql_flush = operations.sql_flush

    def quick(self: Any, style: Any, tables: Sequence[str], **options: Any) -> list[str]:
        tables = [table for table in tables if table not in KEPT]
        if connection.vendor == "postgresql":
            return [EMPTY.format(tables=", ".join(f"'{table}'" for table in tables))]
        deleted: list[str] = sql_flush(self, style, tables, **options)
        return deleted

    operations.sql_flush = quick
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")


@pytest.fixture(autouse=True)
def _files_of_its_own(settings: Any, tmp_path: Path) -> None:
    """Every test has a storage of its own, and settings that suit small files."""
    location = tmp_path / "files"
    settings.STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(location)}},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Where the test's storage keeps its files."""
    return tmp_path / "files"


@pytest.fixture(autouse=True)
def _language_of_its_own() -> None:
    """That of the last request of the test before is still active otherwise."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def _cache_of_its_own() -> Iterator[None]:
    """Rate limits are counted in the cache; one test's must not reach the next."""
    from django.core.cache import cache

    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def make_user(db: None) -> MakeUser:
    """make_user(email) -> a user who logs in with `PASSWORD`."""

    def make(email: str = "ann@example.org", **fields: Any) -> User:
        return User.objects.create_user(email, PASSWORD, **fields)

    return make


@pytest.fixture
def user(make_user: MakeUser) -> User:
    return make_user()


@pytest.fixture
def stranger(make_user: MakeUser) -> User:
    return make_user("bob@example.org")


@pytest.fixture
def client_of() -> Callable[[User], Client]:
    """client_of(user) -> a browser in which that user has just logged in."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        session = client.session
        session.update(just_authenticated(user))
        session.save()
        return client

    return make


def just_authenticated(user: User) -> dict[str, Any]:
    """What allauth keeps in the session when `user` enters the password."""
    records = [{"method": "password", "at": time.time()}]
    return {"account_authentication_methods": records, "account_authentication_methods_user": str(user.pk)}


@pytest.fixture
def ann(user: User, client_of: Callable[[User], Client]) -> Client:
    """The browser of `user`."""
    return client_of(user)


@pytest.fixture
def token(user: User) -> str:
    return tokens.issue(user, name="tests")


@pytest.fixture
def make_upload(user: User) -> MakeUpload:
    """make_upload(data, chunk=bytes a part, whole=False: without the last part) -> an upload with its job."""

    def make(
        data: bytes,
        *,
        chunk: int | None = None,
        whole: bool = True,
        owner: User | None = None,
        name: str = "sales.csv",
        kind: str = "sales",
    ) -> Upload:
        described = metadata.write({"filename": name, "kind": kind})
        upload = lifecycle.create(owner or user, length=len(data), metadata=described)
        if not data:
            return parts.finish_if_whole(upload)
        size = chunk or len(data)
        starts = range(0, len(data), size)
        for start in starts if whole else starts[:-1]:
            upload = append(upload, data[start : start + size])
        return upload

    return make


@pytest.fixture
def make_job(make_upload: MakeUpload) -> Callable[..., Job]:
    """make_job(data, …) as make_upload -> the job."""

    def make(data: bytes, **kwargs: Any) -> Job:
        return make_upload(data, **kwargs).jobs.get()

    return make


@pytest.fixture
def finished(make_job: Callable[..., Job]) -> Callable[..., Job]:
    """finished(data, …) -> the job after a worker has done all it can."""

    def run(data: bytes, **kwargs: Any) -> Job:
        job = make_job(data, **kwargs)
        runner.run_all()
        job.refresh_from_db()
        return job

    return run


@pytest.fixture
def imported(finished: Callable[..., Job]) -> Callable[..., Job]:
    """imported(data, …) -> the job of a file of customers after a worker has done all it can."""

    def run(data: bytes, **kwargs: Any) -> Job:
        return finished(data, kind="customers", **{"name": "customers.csv", **kwargs})

    return run


def append(upload: Upload, data: bytes) -> Upload:
    """Send the next chunk of `upload`."""
    return parts.append(upload, offset=upload.offset, size=len(data), body=io.BytesIO(data))


def bound_to(user: User) -> str:
    """What signed URLs are bound to that somebody has who came with neither token nor session."""
    return bindings.of_credentials(Credentials(user, EVERYTHING))


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
