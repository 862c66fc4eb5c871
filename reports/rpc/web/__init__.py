"""gRPC for browsers: gRPC-Web in binary and in text, answered by the web server itself; see docs/grpc.md.

What it does: an ASGI application in front of Django takes a call out of its HTTP request, passes its bytes to a gRPC
server in the same process, and the answer back, message by message. Everything about a call (who makes it, what it may,
what it does) is decided there, as for any other client.

What it does not do: look at cookies. Only a token says who calls, which no browser adds by itself; so no page of
another site can call in somebody's name, and there is nothing for a CSRF token to prevent.
"""
