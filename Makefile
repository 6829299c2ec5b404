# Everything from a clean clone: `make demo` and `make test` do their own set-up.
#
#   make setup   a virtual environment in .venv with Burnish and its tools
#   make demo    optimises real programs and prints what was gained
#   make test    linters, types, layers and the whole test suite
#   make lint    linters, types and layers alone
#   make bench   the figures of BENCHMARKS.md
#   make clean   removes what the others made
#
# Variables: PYTHON (python3), VENV (.venv), JOBS (processes of pytest: 2), PYTEST_ARGS.

SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.burnish-installed

export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: setup demo test lint bench clean
.DELETE_ON_ERROR:

setup: $(STAMP)

$(STAMP): pyproject.toml $(wildcard native/*)
	@PYTHON='$(PYTHON)' tools/check-host
	@test -x $(BIN)/python || '$(PYTHON)' -m venv $(VENV)
	@echo 'Installing Burnish and its tools into $(VENV): about two minutes the first time.'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: setup
	@examples/demo.sh

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

bench: setup
	@$(BIN)/python benchmarks/all.py

clean:
	rm -rf $(VENV) build dist out .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
