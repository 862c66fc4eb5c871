"""Three addresses decide which services stand behind the app."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from salesagg import backends

HERE = Path("/data")


def test_without_addresses_everything_is_in_one_process() -> None:
    database = backends.databases("", HERE)["default"]
    assert (database["ENGINE"], database["NAME"]) == ("django.db.backends.sqlite3", "/data/db.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert backends.broker("")["CELERY_BROKER_URL"].startswith("memory://")
    assert "InMemory" in backends.channel_layers("")["default"]["BACKEND"]
    assert "locmem" in backends.caches("")["default"]["BACKEND"]
    assert backends.file_storage("", HERE)["OPTIONS"]["location"] == "/data/files"


def test_addresses_name_postgresql_redis_and_s3() -> None:
    database = backends.databases("postgres://u:p@db:5432/sales", HERE)["default"]
    assert (database["ENGINE"], database["HOST"]) == ("django.db.backends.postgresql", "db")
    assert database["CONN_HEALTH_CHECKS"]
    redis = "redis://cache:6379/0"
    assert backends.broker(redis)["CELERY_BROKER_URL"] == redis
    assert backends.channel_layers(redis)["default"]["BACKEND"].endswith("RedisPubSubChannelLayer")
    assert backends.caches(redis)["default"]["LOCATION"] == redis
    assert "options" not in database["OPTIONS"]
    s3 = backends.file_storage("s3://key:se%2Fcret@bucket?endpoint_url=http://s3:9000&region=eu", HERE)["OPTIONS"]
    client = s3.pop("client_config")
    assert s3 == {
        "access_key": "key",
        "secret_key": "se/cret",
        "bucket_name": "bucket",
        "endpoint_url": "http://s3:9000",
        "region_name": "eu",
        "file_overwrite": True,
        "default_acl": None,
    }
    assert (client.connect_timeout, client.read_timeout, client.retries["mode"]) == (3, 10, "standard")


def test_the_address_by_which_browsers_reach_the_store_may_be_another() -> None:
    url = "s3://bucket?endpoint_url=http://s3:9000&public_url=https://files.example.com"
    options = backends.file_storage(url, HERE)["OPTIONS"]
    assert (options["endpoint_url"], options["public_url"]) == ("http://s3:9000", "https://files.example.com")


def test_postgresql_ends_transactions_that_do_nothing_and_keeps_what_the_address_says() -> None:
    url = "postgres://u:p@db:5432/sales?connect_timeout=3&options=-c%20jit%3Doff"
    options = backends.databases(url, HERE, idle_transaction_seconds=1.5)["default"]["OPTIONS"]
    assert options["options"] == "-c idle_in_transaction_session_timeout=1500 -c jit=off"
    assert (options["connect_timeout"], options["keepalives_idle"]) == (3, 30)


def test_s3_credentials_may_come_from_the_machine() -> None:
    assert "access_key" not in backends.file_storage("s3://bucket", HERE)["OPTIONS"]


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "s3://", "bucket", "s3://bucket?colour=red", "s3://bucket?timeout=long"]
)
def test_a_storage_address_that_makes_no_sense_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="STORAGE_URL"):
        backends.file_storage(url, HERE)


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        backends.databases("mysql://u:p@db/sales", HERE)


def test_redis_password_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a/b c\n")
    told = backends.redis_url(f"redis://redis:6379/0?password_file={file}&health_check_interval=5")
    assert told == "redis://:a%2Fb%20c@redis:6379/0?health_check_interval=5"
    for url in ("", "redis://redis:6379/0", "redis://:secret@redis/1?x=y"):
        assert backends.redis_url(url) == url
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        backends.redis_url(f"redis://redis:6379/0?password_file={tmp_path / 'none'}")
