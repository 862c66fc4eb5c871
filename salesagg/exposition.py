"""Where Prometheus reads our figures: on a port of its own of each process, or at ``/metrics`` of a web process."""

import hmac
import logging
import os
import platform
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Metric,
    ProcessCollector,
    exposition,
    mmap_dict,
    multiprocess,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily

from accounts import credentials
from salesagg import version
from salesagg.core import trusted_request
from salesagg.figures import Figures

logger = logging.getLogger(__name__)
# They have no types.
_Files: Any = multiprocess.MultiProcessCollector
_Dict: Any = mmap_dict.MmapedDict


class Build:
    """A collector: which version runs here, on what."""

    def collect(self) -> Iterable[Metric]:
        told = {"version": version.VERSION, "python": platform.python_version(), "django": django.__version__}
        family = GaugeMetricFamily("salesagg_build_info", "Which version this is.", labels=list(told))
        family.add_metric(list(told.values()), 1)
        yield family


class Pool:
    """A collector for a process whose children count too, each in files of its own (`accounts.metrics`).

    Children come and go, and what they counted has to stay: before the files are added up, those of the dead are added
    to one that belongs to nobody.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._lock = threading.Lock()
        self._collector: Any = _Files(None, folder)

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            for path in sorted(self._folder.glob("*_*.db")):
                kind, _underscore, owner = path.stem.rpartition("_")
                if owner.isdecimal() and not _is_alive(int(owner)):
                    self._bury(path, kind)
            return list(self._collector.collect())

    def _bury(self, path: Path, kind: str) -> None:
        # What the dead had open is closed; what they counted is not undone.
        if not kind.startswith("gauge"):
            kept = _Dict(str(self._folder / f"{kind}_dead.db"))
            for key, value, _timestamp, _position in list(_Dict.read_all_values_from_file(str(path))):
                kept.write_value(key, kept.read_value(key)[0] + value, 0.0)
            kept.close()
        path.unlink(missing_ok=True)


def registry() -> CollectorRegistry:
    """What this process has to tell of itself and of its children."""
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        found = CollectorRegistry()
        found.register(Pool(folder))
        ProcessCollector(registry=found)
    else:
        found = CollectorRegistry()
        found.register(REGISTRY)
    found.register(Build())
    return found


def serve(*, site: bool = False) -> None:
    """Tell the figures on the port of the settings, if there is one, until the process ends; of the whole `site` too,
    from a web process."""
    if not settings.METRICS_PORT or _served:
        return
    _served.append(os.getpid())
    try:
        told = registry()
        if site:
            told.register(Figures(own_thread=True))
        start_http_server(settings.METRICS_PORT, settings.METRICS_HOST, told)
    except OSError:
        # No reason to let the work lie.
        logger.exception("no figures: METRICS_PORT %d cannot be opened", settings.METRICS_PORT)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For who knows the token; nobody else learns that there is something."""
    token = settings.METRICS_TOKEN
    if not token:
        raise Http404
    scheme, _space, given = (trusted_request.authorization(request) or "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise credentials.unauthorized(_("Send METRICS_TOKEN as a bearer token."))
    encode, content_type = exposition.choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_web()), content_type=content_type)


# The registry of a web process, once it is complete. Two first scrapes at once are two threads, and each would register
# the site's collector: every figure would be there twice.
_made: list[CollectorRegistry] = []
_making = threading.Lock()
_served: list[int] = []


def _web() -> CollectorRegistry:
    """The registry of a web process, which also describes the whole site."""
    with _making:
        if not _made:
            found = registry()
            found.register(Figures())
            _made.append(found)
        return _made[0]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        # With another's permissions it is somebody else's by now.
        return False
    return True
