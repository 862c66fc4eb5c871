"""The ASGI application: HTTP to Django, WebSockets to the consumers, bodies limited before either."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salesagg.settings")

from django.core.asgi import get_asgi_application

# First: it sets Django up, which the imports below need.
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator

from reports.routing import websocket_urlpatterns
from salesagg import body_limit
from salesagg.turns import Turns

body_limit.install()

application = ProtocolTypeRouter(
    {
        "http": Turns(django_application),
        # Origin, then login, then routing: a page of another site must not open a socket with our cookie.
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
