"""Why a try failed, for people. Stored in English; read in their language."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from reports.models import Delivery

NO_ANSWER = gettext_noop("No answer within 15 seconds.")
NOT_CONNECTED = gettext_noop("No connection within 5 seconds.")
BAD_CERTIFICATE = gettext_noop("The receiver's certificate is not valid.")
PRIVATE = gettext_noop("The address leads to a private network, where nothing is sent.")
PORT = gettext_noop("The port of this address is not allowed, so nothing is sent to it. Enter another address.")
BAD_ANSWER = gettext_noop("The receiver closed the connection, or answered what is not HTTP.")
NOT_REACHED = gettext_noop("The receiver cannot be reached. Is it running, and the address right?")


def answered(status: int) -> str:
    """What is wrong with an answer that is not one of success."""
    if status == 410:
        return _("The receiver answered 410: it wants no more. The webhook was switched off.")
    if 300 <= status < 400:
        text = _("The receiver answered %(status)s, a redirect. None is followed: enter the address it leads to.")
    else:
        text = _("The receiver answered %(status)s.")
    return text % {"status": status}


def error(delivery: Delivery) -> str:
    """Why the latest try of `delivery` failed, or nothing."""
    if not delivery.error:
        return ""
    return answered(delivery.status_code) if delivery.status_code is not None else _(delivery.error)
