"""Django settings. Everything that an operator may change is read from the environment here, and only here.

Each setting stands with its default and its reason. `.env.example` lists them all; a file `.env` beside `manage.py` is
read when there is one. Of a setting whose name with `_FILE` behind it is set, that file's content is the value: so
secrets need not be in the environment. What depends on the services behind the app is in `backends.py`.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from salesagg import backends, logs, secret_key
from salesagg.core import private_files

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")

MIB = 1024 * 1024

# Where one-process mode keeps its database, files and key, for its own user alone. Nothing else is written outside it.
DATA_DIR = Path(env.str("DATA_DIR", default="var"))
if not DATA_DIR.is_absolute():
    DATA_DIR = BASE_DIR / DATA_DIR
private_files.make_folder(DATA_DIR)

# Off unless asked for: Django's debug pages show settings and code to whoever meets an error.
DEBUG = env.bool("DEBUG", default=False)
# Full origins (https://sales.example.com) that may post forms, for a site behind a proxy that ends TLS.
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# The port that `manage.py serve` listens on, and the address; 127.0.0.1 keeps a laptop's app to the laptop.
PORT = env.int("PORT", default=8000)
HOST = env.str("HOST", default="127.0.0.1")

# How people reach the site, for the links in mails, which no request tells.
SITE_URL = env.str("SITE_URL", default=f"http://localhost:{PORT}").rstrip("/")
# Host names the site answers to: by default that of SITE_URL, and this machine's own, by which its health is asked for.
_HERE = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[*_HERE, *({urlsplit(SITE_URL).hostname or ""} - {"", *_HERE})])

DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = backends.redis_url(env.str("REDIS_URL", default=""))
STORAGE_URL = env.str("STORAGE_URL", default="")

# Signs sessions and links. Many processes must share one, so services mode insists on being told.
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if DATABASE_URL or REDIS_URL or STORAGE_URL:
        raise ImproperlyConfigured("Set SECRET_KEY: processes that share services must share one secret key.")
    SECRET_KEY = secret_key.read_or_make(DATA_DIR / "secret_key")
private_files.close_file(DATA_DIR / "secret_key")
# Earlier secret keys. What they have signed (sessions, tokens, links) stays good while they are listed, so that a new
# secret key logs nobody out. Run “manage.py reencrypt_second_factors” at once. Remove a key two weeks later, or when
# the last shared link that it has signed has expired.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

# True when people reach the site by https alone, as SITE_URL says: secure cookies, redirect, HSTS.
HTTPS = env.bool("HTTPS", default=SITE_URL.startswith("https://"))
SECURE_SSL_REDIRECT = HTTPS
# The redirect leads to the site's own name, never to the one that the request says.
SECURE_SSL_HOST = urlsplit(SITE_URL).netloc if SITE_URL.startswith("https://") else None
# What watches over processes asks them on the spot, without a proxy that ends TLS.
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
if HTTPS:
    # A browser takes cookies of these names only from this very host, over https: no neighbouring site can plant one.
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
# Lax, not strict: whoever follows a link in a mail of ours is logged in there too. Other sites cannot post with it.
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
# Our scripts take it from the page's forms, so no script needs the cookie.
CSRF_COOKIE_HTTPONLY = True
# A year, as preload lists ask; only ever sent over https.
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
# A proxy that ends TLS says so in this header, and in X-Forwarded-For who calls, of whom limits are counted. Trust them
# only behind such a proxy: anyone else could forge them.
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "daphne",
    "salesagg.apps.SalesaggConfig",
    "reports",
    "uploads",
    "accounts",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "channels",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "salesagg.core.trusted_request.SiteUrlMiddleware",
    "accounts.headers.HeadersMiddleware",
    "uploads.middleware.TusVersionMiddleware",
    "accounts.middleware.ApiErrorMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.observing.ObservingMiddleware",
    "accounts.middleware.AuditMiddleware",
    "accounts.middleware.LanguageMiddleware",
    "accounts.middleware.AddressLimitMiddleware",
    "accounts.middleware.HeadMiddleware",
    # Before CSRF: a request that proves itself by a token carries no cookie a third site could ride on.
    "accounts.middleware.TokenMiddleware",
    # After it, since a token says whose request it is.
    "accounts.firstpassword.FirstPasswordMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    # Instead of allauth's own, which would write to the database with every request (see `accounts.sessions`).
    "accounts.middleware.SessionActivityMiddleware",
    "accounts.middleware.RefusalMiddleware",
]

ROOT_URLCONF = "salesagg.urls"
ASGI_APPLICATION = "salesagg.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.i18n",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.registration",
            ],
        },
    },
]

# PostgreSQL ends a transaction whose process does nothing for so long: a worker frozen in the middle of a commit would
# hold up whoever comes to the same rows. More than the slowest storage takes for one file; 0, for a PgBouncer that does
# not take start-up options: never.
IDLE_TRANSACTION_SECONDS = env.float("IDLE_TRANSACTION_SECONDS", default=60.0)
# Parts, results and SQLite's commits are on the disk before a client gets its answer, so that a loss of power loses
# nothing that was acknowledged. Off where speed matters more than that, such as tests; a crash of the process alone
# loses nothing either way.
SYNC_UPLOADS = env.bool("SYNC_UPLOADS", default=True)
DATABASES = backends.databases(
    DATABASE_URL, DATA_DIR, idle_transaction_seconds=IDLE_TRANSACTION_SECONDS, sync=SYNC_UPLOADS
)
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    private_files.make_database(Path(DATABASES["default"]["NAME"]))
CHANNEL_LAYERS = backends.channel_layers(REDIS_URL)
CACHES = backends.caches(REDIS_URL)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
] + [{"NAME": "accounts.passwords.MaximumLengthValidator"}]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
# "none" until the operator has set up e-mail: nobody should be locked out because a mail cannot leave the machine.
ACCOUNT_EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", default="none")
ACCOUNT_UNIQUE_EMAIL = True
# Mails name the site, and lead to it, by settings; allauth would believe the request.
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Salesagg] "
ACCOUNT_FORMS = {"add_email": "accounts.forms.AddEmailForm"}
# False where operators create the accounts: nobody can sign up, on the page or by the API.
REGISTRATION_OPEN = env.bool("REGISTRATION_OPEN", default=True)
# Changes of the ways into an account ask for the password or second factor again, unless the person has entered one
# within so many seconds. Ten minutes are enough for a few changes in a row; a browser that is left open has longer.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = env.int("REAUTHENTICATION_SECONDS", default=600)
# Not by a code that is mailed: a mailbox that was taken over must not be enough.
ACCOUNT_REAUTHENTICATION_METHODS = ("password", "mfa")
ACCOUNT_EMAIL_NOTIFICATIONS = True
# Second factors. Browsers allow passkeys on https and on localhost alone, and bind them to the host of SITE_URL.
PASSKEYS = SITE_URL.startswith("https://") or (urlsplit(SITE_URL).hostname or "").split(".")[-1] == "localhost"
MFA_ADAPTER = "accounts.second_factor.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", *(["webauthn"] if PASSKEYS else [])]
MFA_PASSKEY_LOGIN_ENABLED = PASSKEYS
MFA_FORMS = {
    "activate_totp": "accounts.forms.ActivateTOTPForm",
    "authenticate": "accounts.forms.CodeForm",
    "reauthenticate": "accounts.forms.ReauthenticateCodeForm",
    **({"add_webauthn": "accounts.forms.AddPasskeyForm"} if PASSKEYS else {}),
}
# Otherwise people with a second factor could not add an address, and without EMAIL_VERIFICATION nobody could have one.
MFA_ALLOW_UNVERIFIED_EMAIL = True
# A code is also accepted one period, 30 s, early or late: clocks differ, and people type slowly. Each works once.
MFA_TOTP_TOLERANCE = 1
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
# How long the log of who did what goes back: a year and a little, so that yearly reviews find it whole. 0: for ever.
AUDIT_DAYS = env.int("AUDIT_DAYS", default=400)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"

# JSON Web Tokens for programs that log in as a person, by allauth's headless API. Each belongs to a session, and ends
# with it: validation looks the session up. Signed with a key made from the secret key; see `accounts.jwts`.
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "accounts.jwts.Strategy"  # noqa: S105  (a class)  # nosec B105
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 15 * 60
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = 14 * 24 * 3600

# --- Programs

# Requests a minute to the API that one person's programs may make, and that may come from one address; 0: any number.
# They stop a program that asks in a loop without a pause. Uploads have limits of their own, below.
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=600)
API_REQUESTS_PER_MINUTE_PER_ADDRESS = env.int("API_REQUESTS_PER_MINUTE_PER_ADDRESS", default=1200)
# How long a signed download address works: long enough to hand it on, short enough to be harmless in a log.
DOWNLOAD_URL_SECONDS = env.int("DOWNLOAD_URL_SECONDS", default=3600)
# Requests a minute for shared reports, of all people who have a link, and of one IP address; 0: any number. A page and
# each view of its table count as views. An address may be an office: set the limit by how many people share one.
SHARE_VIEWS_PER_MINUTE = env.int("SHARE_VIEWS_PER_MINUTE", default=600)
SHARE_VIEWS_PER_MINUTE_PER_ADDRESS = env.int("SHARE_VIEWS_PER_MINUTE_PER_ADDRESS", default=120)
SHARE_DOWNLOADS_PER_MINUTE = env.int("SHARE_DOWNLOADS_PER_MINUTE", default=120)
SHARE_DOWNLOADS_PER_MINUTE_PER_ADDRESS = env.int("SHARE_DOWNLOADS_PER_MINUTE_PER_ADDRESS", default=30)
# Webhooks go to public addresses alone, or whoever has an account could make us call our own network.
WEBHOOKS_TO_PRIVATE_ADDRESSES = env.bool("WEBHOOKS_TO_PRIVATE_ADDRESSES", default=False)
# The ports of public receivers: those of web servers. With any port, a person could have us knock at other people's
# mail servers and databases. Not looked at where private addresses are allowed.
WEBHOOK_PORTS = env.list("WEBHOOK_PORTS", cast=int, default=[80, 443, 8443])
# A webhook to which nothing could be delivered for this many days is disabled, and its owner told by email; 0: never.
WEBHOOK_FAILING_DAYS = env.int("WEBHOOK_FAILING_DAYS", default=5)

# --- gRPC

# Where `manage.py grpcserver` listens, by default on 50051; `manage.py serve` does too, but only when a port is given.
GRPC_PORT = env.int("GRPC_PORT", default=0)
GRPC_HOST = env.str("GRPC_HOST", default=HOST)
# Files in PEM. Without them nothing is encrypted: tokens are to be sent on trusted networks alone, or through a proxy.
GRPC_TLS_CERTIFICATE = env.str("GRPC_TLS_CERTIFICATE", default="")
GRPC_TLS_KEY = env.str("GRPC_TLS_KEY", default="")
# Whose certificates clients must have. One whose common name is the e-mail address of an account needs no token.
GRPC_TLS_CLIENT_CA = env.str("GRPC_TLS_CLIENT_CA", default="")
# The e-mail address of the account in whose name calls without a token are served; empty: they are refused. For trusted
# networks: everybody who reaches the port may see and do what that account may.
GRPC_ANONYMOUS_USER = env.str("GRPC_ANONYMOUS_USER", default="")
# Further names for our service, such as package.Service: for clients of older systems that call it so.
GRPC_SERVICE_ALIASES = env.list("GRPC_SERVICE_ALIASES", default=[])
# Uploads by gRPC that one account may have under way at one process; 0: any number. gRPC holds an upload's current
# message until it is complete, up to MAX_BODY_BYTES.
GRPC_UPLOADS_PER_ACCOUNT = env.int("GRPC_UPLOADS_PER_ACCOUNT", default=50)
# Origins (https://app.example.com) whose pages may call by gRPC-Web; pages of our own always may. *: any.
GRPC_WEB_ORIGINS = env.list("GRPC_WEB_ORIGINS", default=[])

# --- E-mail

# Printed on the console by default; smtp://user:password@host:587/?… or smtp+tls:// sends it.
globals().update(env.email_url("EMAIL_URL", default="consolemail://"))
# A mail server that hangs holds up a worker for so many seconds.
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Salesagg <salesagg@localhost>")

# --- Files

STORAGES = {
    "default": backends.file_storage(STORAGE_URL, DATA_DIR, sync=SYNC_UPLOADS),
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "salesagg.staticfiles.HashedStorage"
    },
}
STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=str(DATA_DIR / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "salesagg.staticfiles.PackageFinder",
]
# Third-party front-end files: the name a page uses -> where npm put it. Nothing else of node_modules is served.
STATIC_PACKAGES_ROOT = BASE_DIR / "node_modules"
STATIC_PACKAGES = {
    "packages/bootstrap.min.css": "bootstrap/dist/css/bootstrap.min.css",
    "packages/bootstrap.min.css.map": "bootstrap/dist/css/bootstrap.min.css.map",
    "packages/chart.umd.min.js": "chart.js/dist/chart.umd.min.js",
    "packages/chart.umd.min.js.map": "chart.js/dist/chart.umd.min.js.map",
    "packages/tus.min.js": "tus-js-client/dist/tus.min.js",
    "packages/tus.min.js.map": "tus-js-client/dist/tus.min.js.map",
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
# Nothing of ours is for pages of other sites.
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Everything a page loads comes from here, and nothing in it is inline; the admin holds to it too.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
        "upgrade-insecure-requests": HTTPS,
    },
}

# --- Uploads

# The largest request body, and so the largest chunk of an upload. Daphne holds a body whole before any view sees it:
# this is what one request can cost, and what one lost connection can lose. The browser sends half of it at a time.
MAX_BODY_BYTES = env.int("MAX_BODY_BYTES", default=32 * MIB)
# The bytes of all request bodies that a web process holds in its temporary folder until their requests are worked on;
# one IP address may have half of it. More is refused with 503 before it is read, and clients send it again. A site
# with hundreds of uploads at once gets by with it; it keeps a few clients from filling the disk.
MAX_HELD_BODY_BYTES = env.int("MAX_HELD_BODY_BYTES", default=1024 * MIB)
# The largest file. Large enough for any CSV; it stops a client that announces nonsense.
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_BYTES", default=10**12)
# What one person may store at a time, unfinished uploads counted at their announced length.
QUOTA_BYTES = env.int("QUOTA_BYTES", default=2 * 10**12)
# An unfinished upload that has received nothing for this long is given up, its parts removed.
UPLOAD_EXPIRES_HOURS = env.int("UPLOAD_EXPIRES_HOURS", default=72)
# With less room than this on the disk of the files, or of SQLite's database, nothing more is accepted (507), and the
# server reports that it is not ready. A quarter of it is kept as a file, so that there is room to delete something when
# the disk is full all the same. 0: everything is accepted until the disk is full, and nothing is kept.
MIN_FREE_BYTES = env.int("MIN_FREE_BYTES", default=64 * MIB)
# Unfinished uploads that one person may have at a time. Each holds a row, and its parts until it expires.
MAX_UNFINISHED_UPLOADS = env.int("MAX_UNFINISHED_UPLOADS", default=500)
# Uploads that one person may begin in a minute, and that may be begun from one address; 0: any number. Browsers begin
# one for each file, so this is a folder of 600 files.
UPLOADS_PER_MINUTE = env.int("UPLOADS_PER_MINUTE", default=600)
UPLOADS_PER_MINUTE_PER_ADDRESS = env.int("UPLOADS_PER_MINUTE_PER_ADDRESS", default=1200)
# Requests to /uploads/ a minute, of which most are chunks, of one person and from one address; 0: any number. 200 MB/s
# in chunks of 1 MiB are 11,500 a minute, and browsers send larger ones. They stop a client that sends bytes one by one.
CHUNKS_PER_MINUTE = env.int("CHUNKS_PER_MINUTE", default=20_000)
CHUNKS_PER_MINUTE_PER_ADDRESS = env.int("CHUNKS_PER_MINUTE_PER_ADDRESS", default=40_000)
# Where in the storage a person's programs or operators put files for us to read where they are; `{user}` is the number
# of the person, so that nobody imports what is another's. Empty: nothing can be imported.
IMPORT_PREFIX = env.str("IMPORT_PREFIX", default="imports/{user}/")

# --- Jobs

# Jobs of one person that have not ended. More would only wait for each other.
MAX_OPEN_JOBS = env.int("MAX_OPEN_JOBS", default=200)

# Pages, and programs that watch jobs, which one person may have open at one process, of sockets, server-sent events and
# gRPC together; 0: any number. More than anybody has tabs; it stops a program that opens them without an end.
MAX_OPEN_STREAMS = env.int("MAX_OPEN_STREAMS", default=100)

# Bytes folded between two checkpoints: what a crash repeats, and what a worker holds in memory.
WINDOW_BYTES = env.int("WINDOW_BYTES", default=32 * MIB)
# The same of imports, which write every row: smaller, since other writers wait meanwhile where the database is SQLite.
IMPORT_WINDOW_BYTES = env.int("IMPORT_WINDOW_BYTES", default=4 * MIB)
# A person's imports are worked on one at a time, oldest first. One whose upload has received nothing for so long lets
# those behind it pass.
TURN_PATIENCE_SECONDS = env.int("TURN_PATIENCE_SECONDS", default=60)
# Threads that fold one window; 0 takes one for each core. With several workers on a machine, divide the cores.
FOLD_THREADS = env.int("FOLD_THREADS", default=0)
# A row longer than this is bad: a quote that is never closed would make the rest of the file one row.
MAX_RECORD_BYTES = env.int("MAX_RECORD_BYTES", default=4 * MIB)
# More different departments than this are a sign of the wrong column. A million take some 400 MiB of a worker.
MAX_DEPARTMENTS = env.int("MAX_DEPARTMENTS", default=1_000_000)
# A worker that has had a job for so long lets another that waits go first, between two windows.
TURN_SECONDS = env.float("TURN_SECONDS", default=5.0)
# So many rejected rows are listed in the report about them; all are counted.
MAX_REJECTED_ROWS = env.int("MAX_REJECTED_ROWS", default=1_000_000)
# How long a worker may be silent before another takes its job. It renews three times as often.
LEASE_SECONDS = env.float("LEASE_SECONDS", default=15.0)
# A job whose worker died this often without completing a window is given up: the job is what kills them.
MAX_ATTEMPTS = env.int("MAX_ATTEMPTS", default=3)
# How often each worker looks for work that no message announced.
SWEEP_SECONDS = env.float("SWEEP_SECONDS", default=5.0)

globals().update(backends.broker(REDIS_URL))
# The message is a hint; the database says what is to do. So acknowledge early, never redeliver, never keep results.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A Redis that is full answers with an error. Without this the worker that takes a message then ends.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_TASK_PUBLISH_RETRY = False

# --- The rest

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "salesagg" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# Lines for people, or an object of JSON a line for what collects the logs of many machines.
LOG_FORMAT = env.str("LOG_FORMAT", default="line")
if LOG_FORMAT not in ("line", "json"):
    raise ImproperlyConfigured("LOG_FORMAT is line or json.")
# Ours tell what happens; of the libraries', what goes wrong.
LOGGING = logs.configuration(
    form=LOG_FORMAT,
    level=env.str("LOG_LEVEL", default="WARNING"),
    app_level=env.str("APP_LOG_LEVEL", default="INFO"),
)
# gRPC's core writes lines of its own, past Python's logging: into a log of JSON, and in a form that nobody asked for.
# Its errors are enough. It reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
# A line for each request. On a laptop nobody reads them.
ACCESS_LOG = env.bool("ACCESS_LOG", default=bool(DATABASE_URL or REDIS_URL))

# --- Figures

# Who sends it as a bearer token may read /metrics of a web process. Empty: nobody. A web process is open to the world,
# and behind a proxy everybody comes from the same address, so where a request comes from says nothing.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# Where each process tells its figures, to whoever can reach that port; 0: nowhere. Several on one machine need several.
METRICS_PORT = env.int("METRICS_PORT", default=0)
METRICS_HOST = env.str("METRICS_HOST", default="127.0.0.1")

# --- Telling others of errors and traces; the packages for it are those of requirements-observe.txt

# Where a Sentry takes errors. Empty: nowhere.
SENTRY_DSN = env.str("SENTRY_DSN", default="")
# An OpenTelemetry collector that takes traces by HTTP, such as http://collector:4318. Empty: none are made.
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
