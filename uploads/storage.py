"""What every storage has in common, whatever it is."""

from django.utils.translation import gettext as _

from accounts import metrics
from accounts.errors import Refusal

# When a client that was refused may try again.
RETRY_SECONDS = 5


class StorageAway(Refusal):
    """The storage does not answer, or does not let us in. Nothing is known of what it holds, least of all that
    something is lost; and nothing was changed in the database."""

    def __init__(self) -> None:
        message = _("The server's storage does not answer. What was received is kept; try again in a moment.")
        metrics.FAILURES.labels("storage").inc()
        super().__init__("storage_away", message, status=503, headers={"Retry-After": str(RETRY_SECONDS)})
