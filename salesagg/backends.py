"""Which services stand behind the app: the one place where one-process and services mode differ.

Three addresses decide everything:

* ``DATABASE_URL``  nothing: SQLite in ``DATA_DIR``;  ``postgres://…``: PostgreSQL
* ``REDIS_URL``     nothing: broker, cache and channel layer in memory;  ``redis://…``: Redis for all three;
  ``redis://host/0?password_file=/run/secrets/redis``: its password is in that file
* ``STORAGE_URL``   nothing: files in ``DATA_DIR``;  ``s3://KEY:SECRET@bucket?endpoint_url=…&public_url=…``: S3

Each function returns the value of Django settings. The rest of the code never asks which mode it runs in.
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import environ
from django.core.exceptions import ImproperlyConfigured

Settings = dict[str, Any]


def databases(url: str, data_dir: Path, *, idle_transaction_seconds: float = 0, sync: bool = True) -> Settings:
    """Django's ``DATABASES``. PostgreSQL ends a transaction that does nothing for `idle_transaction_seconds`; 0: never.
    With `sync`, SQLite has a transaction on the disk when its commit returns; PostgreSQL does so by itself.

    Failure story: a worker is frozen in the middle of a commit (its machine is suspended, or lost without a word).
    Its transaction would hold the rows that it has written for as long, and whoever comes to the same rows, such as
    the worker that takes the job over, would wait.
    """
    database: Settings = environ.Env.db_url_config(url or f"sqlite:///{data_dir.resolve() / 'db.sqlite3'}")
    if database["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE takes the write lock at BEGIN, so that a read-then-write transaction waits for its turn instead of
        # failing with "database is locked"; WAL lets readers go on meanwhile.
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # NORMAL loses the last transactions when the power fails: offsets that clients know, revoked tokens.
            "init_command": f"PRAGMA journal_mode=WAL;PRAGMA synchronous={'FULL' if sync else 'NORMAL'};",
        }
        # Threads and processes share the tests' database as they share the real one; an in-memory one could not be.
        database["TEST"] = {"NAME": str(data_dir.resolve() / "test.sqlite3")}
    elif database["ENGINE"].endswith("postgresql"):
        database["CONN_HEALTH_CHECKS"] = True
        # Psycopg prepares statements by name, which breaks behind a transaction-pooling proxy; we gain nothing by it.
        database.setdefault("OPTIONS", {})["prepare_threshold"] = None
        # A server that vanished without a word is found out within a minute instead of hours.
        alive = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
        database["OPTIONS"] = {**alive, "tcp_user_timeout": 60_000, **database["OPTIONS"]}
        if idle_transaction_seconds:
            limit = f"-c idle_in_transaction_session_timeout={int(idle_transaction_seconds * 1000)}"
            database["OPTIONS"]["options"] = f"{limit} {database['OPTIONS'].get('options', '')}".strip()
    else:
        raise ImproperlyConfigured("DATABASE_URL must be a postgres:// or sqlite:// address.")
    return {"default": database}


def redis_url(url: str) -> str:
    """The URL with the password that is in the file of its option ``password_file``, if it has that option."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    file = options.pop("password_file", None)
    if file is None:
        return url
    try:
        password = quote(Path(file).read_text().strip(), safe="")
    except OSError as error:
        raise ImproperlyConfigured(f"REDIS_URL's password_file cannot be read: {file}: {error.strerror}.") from error
    where = f"{parts.username or ''}:{password}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=where, query=urlencode(options)))


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
            # A Redis that hangs must not hold an upload's answer: give up, the sweeper finds the job. By default kombu
            # would wait, and try again, before it said so; whoever cannot do without the broker tries again anyway.
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
            "max_retries": 0,
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
    """Django's ``CACHES``: limits must be counted in one place, so all processes share it while it is there."""
    if not redis_url:
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    # Requests wait for it. It answers within milliseconds or not at all.
    options = {"socket_timeout": 1, "socket_connect_timeout": 1}
    return {
        "default": {
            "BACKEND": "accounts.cache.RedisCache",
            "LOCATION": redis_url,
            "KEY_PREFIX": "salesagg",
            "OPTIONS": options,
        }
    }


def file_storage(url: str, data_dir: Path, *, sync: bool = True) -> Settings:
    """The ``default`` entry of Django's ``STORAGES``, where parts and results are kept. With `sync`, files are on the
    disk when they are stored; S3 does so by itself."""
    if not url:
        location = data_dir.resolve() / "files"
        # Only this process's user reads people's data.
        options = {"location": str(location), "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
        return {"BACKEND": "uploads.local.Storage", "OPTIONS": options | {"sync": sync}}
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname:
        raise ImproperlyConfigured("STORAGE_URL must look like s3://KEY:SECRET@bucket?endpoint_url=…&region=….")
    known = {"endpoint_url": "endpoint_url", "region": "region_name", "prefix": "location", "public_url": "public_url"}
    asked = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    if unknown := asked.keys() - known.keys() - {"timeout"}:
        raise ImproperlyConfigured(f"STORAGE_URL has unknown options: {', '.join(sorted(unknown))}.")
    try:
        timeout = float(asked.pop("timeout", 10))
    except ValueError:
        raise ImproperlyConfigured("STORAGE_URL's timeout is a number of seconds.") from None
    s3: Settings = {known[name]: value for name, value in asked.items()}
    if parts.username and parts.password:
        s3 |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password)}
    # Objects are written once under names of our own and read by us alone.
    s3 |= {"bucket_name": parts.netloc.rpartition("@")[2], "file_overwrite": True, "default_acl": None}
    return {"BACKEND": "uploads.s3.Storage", "OPTIONS": s3 | {"client_config": _s3_client(timeout)}}


def _s3_client(timeout: float) -> Any:
    """How we talk to S3, whoever is there. It may be silent for `timeout` seconds."""
    # Takes time and memory that who has no S3 need not spend.
    from botocore.config import Config

    return Config(
        # The only one that new regions know; and addresses for browsers (see `uploads.s3`) are signed by it alone.
        signature_version="s3v4",
        # A store in the same network answers in milliseconds. Together with the retries, a request that nobody answers
        # ends after some 40 s at most, before people and proxies give up by themselves.
        connect_timeout=3,
        read_timeout=timeout,
        # Repeats what failed for a moment (500, 502, 503, SlowDown, broken connections, timeouts) with growing pauses,
        # and no more when most things fail.
        retries={"mode": "standard", "total_max_attempts": 3},
        # Threads of a process share one client: 32 requests of a web process, or 16 calls of gRPC, and a window's
        # parts. A connection more than this would be closed after each use.
        max_pool_connections=48,
        # A connection that a firewall has dropped without a word is found out before a job waits for it.
        tcp_keepalive=True,
        # Newer checksums by default make bodies that other stores than AWS may not take. What is sent is signed with
        # its hash, or goes through TLS; and a part's hash is in our database.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
