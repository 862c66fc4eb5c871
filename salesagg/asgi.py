"""The ASGI application: HTTP to Django, WebSockets to the consumers, bodies limited before either."""

import asyncio
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salesagg.settings")

from django.core.asgi import get_asgi_application

# First: it sets Django up, which the imports below need.
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from reports.routing import websocket_urlpatterns
from reports.rpc.web.bridge import Bridge
from salesagg import back_pressure, body_limit, exposition, http_channel, observing
from salesagg.core.trusted_request import OwnPages, TrustedRequest
from salesagg.turns import Turns

http_channel.install()
body_limit.install()
back_pressure.install()
observing.install()
exposition.serve(site=True)
# Outside of the turns: browsers' calls go elsewhere, and may last.
http = Bridge(Turns(django_application))
# Daphne tells no application of its end; Twisted waits for what has to be done before.
reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromFuture(asyncio.ensure_future(http.close())))

application = TrustedRequest(
    observing.Observed(
        ProtocolTypeRouter(
            {
                "http": body_limit.BodyInPieces(http),
                # Origin first: a page of another site must not open a socket with our cookie. Whose the cookie is the
                # consumer asks.
                "websocket": OwnPages(SessionMiddlewareStack(URLRouter(websocket_urlpatterns))),
            }
        )
    )
)
