# Two commands matter: `make demo` and `make test`. Both set everything up first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Every tool below comes from .venv and node_modules of this folder.
RUN := source ./env.sh &&
PIP := .venv/bin/python -m pip --disable-pip-version-check
SOLIDITY := '{contracts,interfaces,tests}/**/*.sol'
PYTHON_SOURCES := derrick scripts tests tools/proof
# One node and one process per core; a file's tests stay together.
PYTEST_ARGS ?= -n 2 --dist loadfile

# Without bytecode files, pytest rewrites ape and its plugins at every start, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/installed node_modules/installed ## install what the lock files pin; a second run does nothing

# Three dependencies exist as pure-Python sources only; nothing here needs a C compiler.
.venv/installed: requirements.txt
	@python="$$(tools/check.sh)" && rm -rf .venv && echo "Installing Python packages ..." && "$$python" -m venv .venv
	@$(PIP) install --quiet --require-hashes --no-deps --no-compile --only-binary :all: \
	  --no-binary lazyasd,python-baseconv,varint -r requirements.txt
	@.venv/bin/python -m compileall -q -j 0 .venv/lib || true # on all cores, unlike pip
	@touch $@

node_modules/installed: package.json package-lock.json
	@tools/check.sh >/dev/null && echo "Installing npm packages ..."
	@npm ci --ignore-scripts --no-fund --no-audit --no-update-notifier --loglevel=error >/dev/null
	@touch $@

compile: setup .build/compiled ## compile the contracts if any of them changed

# ape does not recompile what imports a changed file, so one change compiles all.
.build/compiled: ape-config.yaml $(shell find contracts interfaces -name '*.sol')
	@$(RUN) ape compile -f
	@touch $@

demo: compile ## a whole market on a local chain, with a report in out/demo
	@$(RUN) ape run demo

test: compile ## unit and property tests on a local chain
	@$(RUN) pytest $(PYTEST_ARGS)

proof: setup .venv-proof/installed ## prove the calendar for all inputs, and that the proofs can fail
	@$(RUN) python tools/proof/prove.py

# The symbolic executor has needs of its own, so it has an environment of its own.
.venv-proof/installed: tools/proof/requirements.txt
	@python="$$(tools/check.sh)" && "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make proof needs Python 3.11 or 3.12: make proof PYTHON=/path/to/python3.11" >&2; exit 1; }
	@rm -rf .venv-proof && echo "Installing what proves ..." && "$$(tools/check.sh)" -m venv .venv-proof
	@.venv-proof/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes \
	  --no-deps --only-binary :all: -r $<
	@touch $@

gas: compile ## measure the gas of each operation into docs/gas.md and out/gas.json
	@$(RUN) ape run gas

gas-check: compile ## fail when an operation costs over 1 % more than docs/gas.md says
	@$(RUN) ape run gas --check

lint: setup ## formatting, style and types; changes nothing
	@$(RUN) ruff format --check $(PYTHON_SOURCES)
	@$(RUN) ruff check $(PYTHON_SOURCES)
	@$(RUN) mypy
	@$(RUN) prettier --check $(SOLIDITY)
	@$(RUN) solhint --disc --noPoster -c tools/solhint.json $(SOLIDITY)

format: setup ## put Python and Solidity into the project's format
	@$(RUN) ruff format $(PYTHON_SOURCES)
	@$(RUN) ruff check --fix $(PYTHON_SOURCES)
	@$(RUN) prettier --write --log-level warn $(SOLIDITY)

lock: ## resolve requirements.in and package.json anew; needs uv
	uv pip compile requirements.in --quiet --universal --python-version 3.10 --fork-strategy fewest \
	  --generate-hashes --custom-compile-command "make lock" -o requirements.txt
	uv pip compile tools/proof/requirements.in --quiet --universal --python-version 3.11 \
	  --generate-hashes --custom-compile-command "make lock" -o tools/proof/requirements.txt
	npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved=true

clean: ## remove everything that the commands above made
	rm -rf .venv .venv-proof node_modules .build out .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help setup compile demo test proof gas gas-check lint format lock clean
