# The API under gunicorn, service cartserver: `docker build -f Dockerfile.wsgi .` in the root of the repository.
FROM python:3.11.14-slim-bookworm

WORKDIR /srv/cart
# Bytecode is compiled during the build, because the root file system is read-only at run time.
ENV PYTHONPATH=/srv/cart PYTHONUNBUFFERED=1

# PyMySQL[rsa] is for MySQL 8, whose default authentication needs it on connections without TLS.
COPY requirements.txt requirements.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        -c requirements.lock -r requirements.txt gunicorn 'PyMySQL[rsa]' \
    && printf '#!/usr/bin/env python3\nimport sys\n\nfrom chalicelib.command import main\n\nsys.exit(main())\n' \
        > /usr/local/bin/pacifica-cartd-cmd \
    && chmod 755 /usr/local/bin/pacifica-cartd-cmd \
    && useradd --system --no-create-home --home-dir /nonexistent --uid 10001 cart

COPY infra/local/healthcheck.py /usr/local/lib/healthcheck.py
COPY app.py wsgi.py ./
COPY chalicelib chalicelib
RUN python3 -m compileall -q .

USER 10001
EXPOSE 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "/usr/local/lib/healthcheck.py", "8081"]
# The same command as `make run`. Processes and threads are in the variable, because the command's options would override
# a variable set at run time. On SIGTERM, requests in flight get 5 s to finish.
ENV GUNICORN_CMD_ARGS="-w 2 --threads 8"
CMD ["gunicorn", "--no-control-socket", "-b", "0.0.0.0:8081", "--worker-tmp-dir", "/dev/shm", \
     "-k", "chalicelib.api.gunicorn_worker.Worker", "--keep-alive", "30", "--graceful-timeout", "5", \
     "wsgi:application()"]

ARG REVISION=unknown
LABEL org.opencontainers.image.title="Pacifica Data Cart, API" \
      org.opencontainers.image.description="Accepts carts and redirects to finished bundles" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
