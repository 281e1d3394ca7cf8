# Terroir's server and worker: `docker run terroir serve`, `docker run terroir worker`, `docker run terroir migrate`.
# `docker build --target gpu` adds Ray, torch and transformers, for machines with GPUs, and whatever GPU_PACKAGES names.
# `--build-arg REVISION=$(git rev-parse HEAD)` lets every run say which code made it.
ARG PYTHON=3.13-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /srv/terroir
# No pip in the environment that is kept: what runs later can't install anything.
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock ./
RUN pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml ./
COPY app app
COPY migrations migrations
COPY static static
COPY templates templates
# Templates, pages' files and migrations lie beside the code, so the code runs from here and not from site-packages.
# Bytecode is made now, for later the file system is read-only.
RUN echo /srv/terroir > "$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/terroir.pth" \
    && printf '#!/opt/venv/bin/python\nfrom app.cli import main\n\nmain()\n' > /opt/venv/bin/terroir \
    && chmod 755 /opt/venv/bin/terroir \
    && /opt/venv/bin/python -m compileall -q app

FROM build AS build-gpu
ARG GPU_PACKAGES=torchvision==0.28.0
COPY requirements-gpu.txt ./
RUN pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check -r requirements-gpu.txt ${GPU_PACKAGES}

FROM python:${PYTHON} AS base
ARG REVISION=
RUN groupadd --gid 10001 terroir \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/terroir --shell /usr/sbin/nologin terroir \
    && install --directory --owner terroir --group terroir --mode 700 /var/lib/terroir
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TERROIR_HOME=/var/lib/terroir \
    TERROIR_HOST=0.0.0.0 \
    TERROIR_PORT=8000 \
    TERROIR_REVISION=${REVISION}
WORKDIR /srv/terroir
USER 10001:10001
VOLUME ["/var/lib/terroir"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['TERROIR_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["terroir"]
CMD ["serve"]

FROM base AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-gpu /opt/venv /opt/venv
COPY --from=build-gpu /srv/terroir /srv/terroir

FROM base
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/terroir /srv/terroir
