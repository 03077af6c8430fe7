# One front door. `make` starts the box; `make help` lists the rest.
# Nothing here needs a compiler. What has to be installed is said before it is installed.
.DEFAULT_GOAL := run
.PHONY: run test setup setup-test bench fuzz accept help long-tests
PYTHON ?= python3
BIN := .venv/bin

run: setup  ## set up what is needed and start the box with its embedded store
	@$(BIN)/bluewhale run $(ARGS)

setup: .venv/.ready  ## set up the box's own Python environment in .venv

.venv/.ready: requirements.lock pyproject.toml tools/setup
	@PYTHON=$(PYTHON) tools/setup run

setup-test: .venv/.ready-test  ## also what the tests need: test tools, net-snmp, Chromium

.venv/.ready-test: requirements-dev.lock requirements.lock pyproject.toml tools/setup
	@PYTHON=$(PYTHON) tools/setup test

test: setup-test  ## set up and pass everything: format, lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist worksteal -m "not long"

long-tests: setup-test  ## the larger counts (kills, ratings); seeds and results are kept in docs/measured.md
	$(BIN)/pytest -n 0 -m long --timeout=7200

bench: setup-test  ## CPU per record and stage, latency, bytes a call, memory; beside the budget
	cd tests && ../$(BIN)/python -m bench $(ARGS)

fuzz: setup-test  ## coverage-guided fuzzing of all formats: make fuzz ARGS="-max_total_time=3600"
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	nice $(BIN)/python tests/fuzz/formats.py build/fuzz $(ARGS)

accept: setup-test  ## rewrite one golden file: make accept CASE=family/case (say why in the commit)
	$(BIN)/python tests/accept.py $(CASE)

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 14
