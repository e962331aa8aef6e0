# One image for the one-shots and the four services; compose.yaml names the module to run.
FROM python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b

WORKDIR /app
# Every package by version and hash. With `--build-arg TORCH=torch==2.13.0` the image computes any model of
# sentence-transformers; torch then comes by version, from an index with CPU builds for each processor.
COPY locks/image.txt locks/transformers.txt locks/
RUN pip install --no-cache-dir --no-deps --require-hashes -r locks/image.txt
ARG TORCH=""
ARG TORCH_INDEX="https://download.pytorch.org/whl/cpu"
RUN test -z "$TORCH" || { pip install --no-cache-dir --no-deps --require-hashes -r locks/transformers.txt \
  && pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" "$TORCH"; }

COPY pyproject.toml README.md LICENSE ./
COPY contracts contracts
COPY runtime runtime
COPY archive archive
COPY services services
COPY local local
COPY cli cli
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

ENV HF_HUB_OFFLINE=1 TQDM_DISABLE=1 PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2 MNEMO_ALIVE_FILE=/tmp/mnemo-alive
RUN groupadd --gid 10001 mnemo && useradd --uid 10001 --gid 10001 --no-create-home mnemo && install -d -o mnemo /canary
USER mnemo
