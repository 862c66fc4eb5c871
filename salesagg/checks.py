"""System checks: what is wrong with a set-up, said before it fails in a browser."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from salesagg.core import private_files
from uploads import imports


@register()
def front_end_packages(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The front-end packages are installed."""
    missing = [
        path for path in settings.STATIC_PACKAGES.values() if not (settings.STATIC_PACKAGES_ROOT / path).exists()
    ]
    if not missing:
        return []
    return [
        Error(
            f"Front-end packages are missing: {', '.join(missing)}.",
            hint="Run “npm ci --ignore-scripts”; “make run” and “make test” do it.",
            id="salesagg.E001",
        )
    ]


@register()
def services_agree(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Processes on several machines need every service to be shared, or none."""
    named = {name: bool(getattr(settings, name)) for name in ("DATABASE_URL", "REDIS_URL")}
    if len(set(named.values())) == 1:
        return []
    unset = next(name for name, value in named.items() if not value)
    return [
        Error(
            f"{unset} is not set, though other services are.",
            hint="Set both DATABASE_URL and REDIS_URL for separate processes, or neither for one process.",
            id="salesagg.E002",
        )
    ]


@register()
def imports_are_apart(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What people may import is a folder, and none of ours: our files hold everybody's data, and are deleted."""
    problem = settings.IMPORT_PREFIX and imports.problem_of(settings.IMPORT_PREFIX)
    if not problem:
        return []
    return [
        Error(
            f"IMPORT_PREFIX {problem}: {settings.IMPORT_PREFIX}",
            hint="Set it to a folder of the storage, like “imports/{user}/”, or to nothing. Until then nothing can be "
            "imported.",
            id="salesagg.E003",
        )
    ]


@register()
def secrets_are_private(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """No other user of the machine can read the files with secrets and people's data."""
    database = settings.DATABASES["default"]
    names = [settings.BASE_DIR / ".env", settings.DATA_DIR / "secret_key"]
    if database["ENGINE"].endswith("sqlite3"):
        names.append(database["NAME"])
    return [
        checks.Warning(
            f"Every user of this machine can read {path}.",
            hint=f"Run “chmod 600 {path}”. If secrets were in it, replace them.",
            id="salesagg.W004",
        )
        for path in map(Path, names)
        if private_files.is_open_to_everyone(path)
    ]
