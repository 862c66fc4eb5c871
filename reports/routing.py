from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path

from reports.consumers import JobsConsumer

# The last one refuses every other address. Without it Channels raises an error, which is logged with a traceback.
websocket_urlpatterns = [path("ws/jobs/", JobsConsumer.as_asgi()), re_path("", WebsocketDenier.as_asgi())]
