"""The compiled way of folding, where this machine has it: numba is installed and works.

Loading takes a second, and some more the first time ever, so it is done in the background; until then, and where it
cannot be done, windows are folded without.
"""

import logging
import threading
from types import ModuleType

logger = logging.getLogger(__name__)

_loaded: ModuleType | None = None
_loading = threading.Lock()


def compiled() -> ModuleType | None:
    """`reports.engine.compiled`, if it is loaded."""
    return _loaded


def load() -> bool:
    """Load it, and compile it if that was never done here; returns whether there is one."""
    global _loaded
    with _loading:
        if _loaded is None:
            try:
                from reports.engine import compiled
            except ImportError as error:
                logger.info("folding without the compiled kernel: %s", error)
            except Exception:
                # A processor that numba does not know, or no place to keep what it compiles.
                logger.warning("folding without the compiled kernel", exc_info=True)
            else:
                _loaded = compiled
    return _loaded is not None


def load_in_background() -> None:
    """Load it in a thread that nobody needs to wait for."""
    threading.Thread(target=load, name="load-kernel", daemon=True).start()
