# syntax=docker/dockerfile:1

FROM node:20-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 DATA_DIR=/data STATIC_ROOT=/app/staticfiles
WORKDIR /app
COPY requirements.txt requirements-fast.txt ./
# The compiled engine is optional: where its packages have no wheels, the rest does.
RUN pip install --only-binary=:all: -r requirements-fast.txt || pip install -r requirements.txt
COPY --from=packages /app/node_modules ./node_modules
COPY manage.py ./
COPY salesagg ./salesagg
COPY accounts ./accounts
COPY uploads ./uploads
COPY reports ./reports
COPY templates ./templates
COPY static ./static
RUN pybabel --quiet compile --directory=salesagg/locale --domain="django djangojs"
# The key is needed to load the settings and signs nothing here.
RUN SECRET_KEY=build DATA_DIR=/tmp/build python manage.py collectstatic --noinput --verbosity=0 \
    && useradd --system --home-dir /data --create-home salesagg
USER salesagg
VOLUME /data
# The web, and gRPC where `manage.py grpcserver` is the command.
EXPOSE 8000 50051
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8000/healthz', headers={'Host': 'localhost'}), timeout=2)"]
CMD ["daphne", "-b", "0.0.0.0", "-p", "8000", "salesagg.asgi:application"]
