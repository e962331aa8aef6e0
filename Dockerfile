# Two images: `slim` for the one-shots, watcher, writer, health and `mnemo`; the last one adds what computes vectors.
# compose.yaml names the target and the module to run.
ARG BASE=python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b

FROM ${BASE} AS slim-packages
# Every package by version and hash. To build without a network, put wheels into `wheels/` and set
# `--build-arg PIP_ARGS="--no-index --find-links /wheels"`. What is copied here is in no image.
ARG PIP_ARGS=""
COPY LICENSE wheel[s] /wheels/
COPY locks locks
RUN python -m venv --without-pip /opt/mnemo
ENV PIP="pip --python /opt/mnemo/bin/python install --no-cache-dir --no-deps --no-compile"
RUN $PIP --require-hashes $PIP_ARGS -r locks/slim.txt
COPY pyproject.toml README.md LICENSE /app/
# The folders themselves: not every builder copies the links in src/mnemostream.
COPY src/mnemostream/__init__.py src/mnemostream/__main__.py /app/src/mnemostream/
COPY contracts /app/src/mnemostream/contracts
COPY runtime /app/src/mnemostream/runtime
COPY archive /app/src/mnemostream/archive
COPY services /app/src/mnemostream/services
COPY local /app/src/mnemostream/local
COPY cli /app/src/mnemostream/cli
COPY ops/used.py /app/
# What nobody uses here: a second engine of zstandard, names of people in other languages, debug symbols, bytecode of
# modules that are never imported.
RUN $PIP --no-build-isolation /app && cd /opt/mnemo/lib/python3*/site-packages \
  && rm -rf setuptools* _distutils_hack distutils-precedence.pth zstandard/_cffi*.so zstandard/backend_cffi.py \
  && find faker/providers -mindepth 2 -type d -name '*_*' ! -name en_US ! -name __pycache__ -prune -exec rm -rf {} + \
  && { command -v strip || { apt-get -o Acquire::Retries=0 -o Acquire::http::Timeout=5 update -qq \
       && apt-get install -qq --no-install-recommends binutils; } || echo "no strip here: the image becomes larger"; } > /dev/null \
  && { ! command -v strip > /dev/null || find zstandard asyncpg -name '*.so' -exec strip --strip-unneeded {} + ; } \
  && PYTHONDONTWRITEBYTECODE= /opt/mnemo/bin/python /app/used.py

# With `--build-arg TORCH=torch==2.13.0` the image computes any model of sentence-transformers; torch then comes by
# version, from an index with CPU builds for each processor.
FROM slim-packages AS embedder-packages
ARG PIP_ARGS=""
RUN $PIP --require-hashes $PIP_ARGS -r locks/image.txt && PYTHONDONTWRITEBYTECODE= /opt/mnemo/bin/python /app/used.py
ARG TORCH=""
ARG TORCH_INDEX="https://download.pytorch.org/whl/cpu"
RUN test -z "$TORCH" || { $PIP --require-hashes -r locks/transformers.txt \
  && pip --python /opt/mnemo/bin/python install --no-cache-dir --extra-index-url "$TORCH_INDEX" "$TORCH"; }

FROM ${BASE} AS base
ARG VERSION=latest
ARG REVISION=""
LABEL org.opencontainers.image.title="Mnemostream" \
      org.opencontainers.image.description="Saves every byte of AI assistant transcripts, and proves it" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/mnemo/bin:$PATH HF_HUB_OFFLINE=1 TQDM_DISABLE=1 PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 MNEMO_ALIVE_FILE=/tmp/mnemo-alive
RUN groupadd --gid 10001 mnemo && useradd --uid 10001 --gid 10001 --no-create-home mnemo && install -d -o mnemo /canary
WORKDIR /app
USER mnemo

FROM base AS slim
COPY --from=slim-packages /opt/mnemo /opt/mnemo

FROM base AS embedder
COPY --from=embedder-packages /opt/mnemo /opt/mnemo
