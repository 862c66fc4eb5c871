"""Which services stand behind the app: the one place where one-process and services mode differ.

Three addresses decide everything:

* ``DATABASE_URL``  nothing: SQLite in ``DATA_DIR``;  ``postgres://…``: PostgreSQL
* ``REDIS_URL``     nothing: broker, cache and channel layer in memory;  ``redis://…``: Redis for all three
* ``STORAGE_URL``   nothing: files in ``DATA_DIR``;  ``s3://KEY:SECRET@bucket?endpoint_url=…&region=…``: S3

Each function returns the value of Django settings. The rest of the code never asks which mode it runs in.
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

Settings = dict[str, Any]


def databases(url: str, data_dir: Path) -> Settings:
    """Django's ``DATABASES``."""
    database: Settings = environ.Env.db_url_config(url or f"sqlite:///{data_dir.resolve() / 'db.sqlite3'}")
    if database["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE takes the write lock at BEGIN, so that a read-then-write transaction waits for its turn instead of
        # failing with "database is locked"; WAL lets readers go on meanwhile.
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
        }
        # Threads and processes share the tests' database as they share the real one; an in-memory one could not be.
        database["TEST"] = {"NAME": str(data_dir.resolve() / "test.sqlite3")}
    elif database["ENGINE"].endswith("postgresql"):
        database["CONN_HEALTH_CHECKS"] = True
        # Psycopg prepares statements by name, which breaks behind a transaction-pooling proxy; we gain nothing by it.
        database.setdefault("OPTIONS", {})["prepare_threshold"] = None
    else:
        raise ImproperlyConfigured("DATABASE_URL must be a postgres:// or sqlite:// address.")
    return {"default": database}


def broker(redis_url: str) -> Settings:
    """The Celery settings that depend on the broker."""
    if not redis_url:
        # kombu's memory transport polls once a second by default; a job would start that much later.
        return {
            "CELERY_BROKER_URL": "memory://localhost/",
            "CELERY_BROKER_TRANSPORT_OPTIONS": {"polling_interval": 0.05},
        }
    return {
        "CELERY_BROKER_URL": redis_url,
        # With early acknowledgement a prefetched message would wait behind a busy worker while others idle.
        "CELERY_WORKER_DISABLE_PREFETCH": True,
        "CELERY_BROKER_TRANSPORT_OPTIONS": {
            "visibility_timeout": 3600,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            # A Redis that hangs must not hold an upload's answer: give up, the sweeper finds the job.
            "socket_timeout": 3,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    }


def channel_layers(redis_url: str) -> Settings:
    """Django Channels' ``CHANNEL_LAYERS``."""
    if not redis_url:
        return {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}}
    # Pub/sub, not the core layer: no capacity of 100 after which a slow socket silently loses events, and redis-py 8's
    # default socket_timeout of 5 s does not end idle sockets (channels_redis#422).
    host = {"address": redis_url, "socket_timeout": 30, "socket_connect_timeout": 3, "health_check_interval": 15}
    return {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [host], "prefix": "salesagg"},
        }
    }


def caches(redis_url: str) -> Settings:
    """Django's ``CACHES``: rate limits must be counted in one place, so all processes share it."""
    if not redis_url:
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    options = {"socket_timeout": 3, "socket_connect_timeout": 2}
    return {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": redis_url,
            "KEY_PREFIX": "salesagg",
            "OPTIONS": options,
        }
    }


def file_storage(url: str, data_dir: Path) -> Settings:
    """The ``default`` entry of Django's ``STORAGES``, where parts and results are kept."""
    if not url:
        location = data_dir.resolve() / "files"
        # Only this process's user reads people's data.
        options = {"location": str(location), "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
        return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname:
        raise ImproperlyConfigured("STORAGE_URL must look like s3://KEY:SECRET@bucket?endpoint_url=…&region=….")
    known = {"endpoint_url": "endpoint_url", "region": "region_name", "prefix": "location"}
    asked = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    if unknown := asked.keys() - known.keys():
        raise ImproperlyConfigured(f"STORAGE_URL has unknown options: {', '.join(sorted(unknown))}.")
    s3: Settings = {known[name]: value for name, value in asked.items()}
    if parts.username and parts.password:
        s3 |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password)}
    # Objects are written once under names of our own and read by us alone.
    s3 |= {"bucket_name": parts.netloc.rpartition("@")[2], "file_overwrite": True, "default_acl": None}
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": s3}
