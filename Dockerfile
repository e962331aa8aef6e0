# One image for the one-shots and the four services; compose.yaml names the module to run.
FROM python:3.11-slim-bookworm

# torch first and pinned: a CPU build, and no second choice for what comes after.
ARG TORCH="torch==2.13.0"
ARG TORCH_INDEX="https://download.pytorch.org/whl/cpu"
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" "$TORCH"

WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY contracts contracts
COPY runtime runtime
COPY archive archive
COPY services services
COPY local local
COPY cli cli
RUN pip install --no-cache-dir ".[watcher,embedder,writer,health]"

ENV HF_HUB_OFFLINE=1 TQDM_DISABLE=1 PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2 MNEMO_ALIVE_FILE=/tmp/mnemo-alive
RUN useradd --system --uid 10001 mnemo && install -d -o mnemo /canary
USER mnemo
