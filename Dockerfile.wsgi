# The API under Granian, service cartserver: `docker build -f Dockerfile.wsgi .` in the root of the repository.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm
FROM ${PYTHON_IMAGE}

WORKDIR /srv/cart
# Bytecode is compiled during the build, because the root file system is read-only at run time.
ENV PYTHONPATH=/srv/cart PYTHONUNBUFFERED=1

COPY locks/api.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --require-hashes -r api.lock \
    && printf '#!/usr/bin/env python3\nimport sys\n\nfrom chalicelib.admin.command import main\n\nsys.exit(main())\n' \
        > /usr/local/bin/pacifica-cartd-cmd \
    && chmod 755 /usr/local/bin/pacifica-cartd-cmd \
    && useradd --system --no-create-home --home-dir /nonexistent --uid 10001 cart \
    && install -d -o cart -g cart -m 700 /run/wake

COPY infra/local/healthcheck.py /usr/local/lib/healthcheck.py
COPY app.py asgi.py wsgi.py ./
COPY chalicelib chalicelib
# For the service `operator` of compose.production.yml.
COPY infra/__init__.py infra/__init__.py
COPY infra/local/__init__.py infra/local/provision.py infra/local/
COPY infra/compose/__init__.py infra/compose/set_up_site.py infra/compose/bundle_copies.py \
     infra/compose/after_restore.py infra/compose/
RUN python3 -m compileall -q .

USER 10001
EXPOSE 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "/usr/local/lib/healthcheck.py", "8081"]
# The same command as `make run`. The number of processes is in the variable, because the command's options would override
# a variable set at run time. On SIGTERM, requests in flight get 5 s to finish.
ENV GRANIAN_WORKERS="2"
CMD ["python3", "-m", "granian", "--host", "0.0.0.0", "--port", "8081", \
     "--interface", "asginl", "--http", "1", "--no-ws", "--loop", "asyncio", "--log-level", "warning", \
     "--backlog", "2048", "--backpressure", "4096", "--http1-buffer-size", "65536", \
     "--http1-header-read-timeout", "30000", "--respawn-failed-workers", "--respawn-interval", "0.5", \
     "--workers-kill-timeout", "5", "asgi:application"]

ARG REVISION=unknown
ENV CART_REVISION=$REVISION
LABEL org.opencontainers.image.title="Pacifica Data Cart, API" \
      org.opencontainers.image.description="Accepts carts and redirects to finished bundles" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
