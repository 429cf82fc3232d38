# syntax=docker/dockerfile:1
# Shoal as an image. It holds the package and no application: put yours into /app, by a volume or
# by an image of your own.
#
#   docker build -t shoal .
#
#   FROM shoal
#   COPY tasks.py /app/
#   CMD ["worker", "tasks:app"]

# The version that the suite runs on.
ARG PYTHON=3.11

FROM node:22-slim AS dashboard
WORKDIR /source/dashboard
COPY dashboard .
RUN npm ci --no-audit --no-fund && npm run build

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
# supervisor, shard and api are links under shoal/ that must lead to their folders.
COPY pyproject.toml setup.py MANIFEST.in README.md CHANGELOG.md LICENSE ./
COPY shoal shoal
COPY supervisor supervisor
COPY shard shard
COPY api api
COPY scripts/build_dashboard.py scripts/
COPY --from=dashboard /source/api/static api/static
RUN pip wheel --no-deps --wheel-dir /wheels .
# Its own environment, so that the image that runs gets this one folder and no build tool.
RUN python -m venv --without-pip /opt/shoal \
    && pip --python /opt/shoal/bin/python install /wheels/*.whl

FROM python:${PYTHON}-slim
COPY --from=build /opt/shoal /opt/shoal
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /app shoal \
    && mkdir /app
ENV PATH=/opt/shoal/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SHOAL_METRICS_PORT=9464
WORKDIR /app
USER 10001:10001
# API_PORT, ADMIN_PORT, SHOAL_METRICS_PORT.
EXPOSE 8080 8081 9464
STOPSIGNAL SIGTERM
# Asks what runs in this container, a worker or an API.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["shoal", "health"]
ENTRYPOINT ["shoal"]
CMD ["--help"]
