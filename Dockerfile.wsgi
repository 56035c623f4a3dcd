# The API under gunicorn, the seed's cartserver: `docker build -f Dockerfile.wsgi .` from the root of the repository.
FROM python:3.11.14-slim-bookworm

WORKDIR /srv/cart
# Bytecode is made here, once: where the root file system is read-only nothing could keep it later.
ENV PYTHONPATH=/srv/cart PYTHONUNBUFFERED=1

# PyMySQL[rsa] is for MySQL 8, whose default authentication wants it where there is no TLS.
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
# As `make run` starts it. Processes and threads are in the variable, since the command line would outdo any other that is
# given. On SIGTERM requests under way get 5 s to end.
ENV GUNICORN_CMD_ARGS="-w 2 --threads 8"
CMD ["gunicorn", "--no-control-socket", "-b", "0.0.0.0:8081", "--worker-tmp-dir", "/dev/shm", \
     "-k", "chalicelib.api.gunicorn_worker.Worker", "--keep-alive", "30", "--graceful-timeout", "5", \
     "wsgi:application()"]

ARG REVISION=unknown
LABEL org.opencontainers.image.title="Pacifica Data Cart, API" \
      org.opencontainers.image.description="Takes carts and redirects to finished bundles" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
