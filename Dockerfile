# syntax=docker/dockerfile:1
# Two images from one build: the app (the last stage), and its proxy, which holds the app's static files.

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /app
COPY requirements.txt requirements-fast.txt requirements-observe.txt deploy/install-packages.sh ./
# Every package in the version and with the hash of the lock files, as a wheel: nothing is compiled or run while it is
# installed. Only where numba has no wheel the image is built without the compiled engine; a network that fails ends the
# build.
RUN PIP_ONLY_BINARY=:all: sh install-packages.sh python requirements-fast.txt requirements.txt requirements-observe.txt
COPY manage.py ./
COPY salesagg ./salesagg
COPY accounts ./accounts
COPY uploads ./uploads
COPY reports ./reports
COPY templates ./templates
COPY static ./static
COPY --from=packages /app/node_modules ./node_modules
# The key is needed to load the settings, and signs nothing here.
RUN pybabel --quiet compile --directory=salesagg/locale --domain="django djangojs" \
    && SECRET_KEY=build DATA_DIR=/tmp/build STATIC_ROOT=/app/staticfiles \
       python manage.py collectstatic --noinput --verbosity=0 \
    && rm -r static node_modules && mkdir static \
    && python -m compileall -q /venv /app

FROM caddy:2.11-alpine AS proxy
LABEL org.opencontainers.image.title="Salesagg's proxy" \
      org.opencontainers.image.description="Caddy with Salesagg's static files"
COPY --from=build /app/staticfiles /srv/static
COPY deploy/Caddyfile /etc/caddy/Caddyfile

FROM python:3.11-slim-bookworm AS app
LABEL org.opencontainers.image.title="Salesagg" \
      org.opencontainers.image.description="Turns a huge sales CSV into a report while it is still being uploaded"
# What numba compiles for the processor it finds is kept with the data, which alone can be written.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data STATIC_ROOT=/app/staticfiles HOME=/data NUMBA_CACHE_DIR=/data/numba
RUN groupadd --system --gid 10001 salesagg \
    && useradd --system --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin salesagg \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app ./
# By number, so that those who let no image run as root can see it.
USER 10001:10001
VOLUME /data
# The web; gRPC where `manage.py grpcserver` is the command.
EXPOSE 8000 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-m", "salesagg.probe", "http://127.0.0.1:8000/healthz"]
CMD ["daphne", "-b", "0.0.0.0", "-p", "8000", "salesagg.asgi:application"]
