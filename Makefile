# Turnpike's commands. `make help` lists them; CI calls the same ones.

SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Not exported here: an exported variable that nobody set would reach the program as an empty one.
# PORT and TURNPIKE_HOME pass through all the same, also as `make run PORT=8080`.

# A stamp's name carries a checksum of the files that it stands for: another lock, another stamp.
sum = $(firstword $(shell cat $(1) | cksum))
UV_STAMP := $(VENV)/.uv-$(call sum,requirements/uv.txt)
TORCH_STAMP := $(VENV)/.torch-$(call sum,requirements/torch.txt)
WORKER_STAMP := $(VENV)/.worker-$(call sum,requirements/torch.txt requirements/worker.txt)
DEV_STAMP := $(VENV)/.dev-$(call sum,requirements/torch.txt requirements/dev.txt)

# $(call install,NAME): the packages of one lock, with their hashes, and nothing besides.
install = $(BIN)/uv pip install --python $(BIN)/python --no-deps --require-hashes \
	--compile-bytecode --requirements requirements/$(1).txt && $(BIN)/uv pip check --python $(BIN)/python
# $(call stamp,NAME,FILE): note the seconds that a step took, drop the older stamps, lay the new one.
begin = start=$$(date +%s)
stamp = rm -f $(VENV)/.$(1)-* && touch $(2) && \
	echo "    $(1): done in $$(($$(date +%s) - start)) s"

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run demo test test-long lint types contracts lock lock-check schema \
	schema-check bench chaos clean

help: ## Show this list
	@echo "Turnpike: make TARGET. Start with 'make run', or 'make demo' to see it work."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile

setup: $(WORKER_STAMP) ## Install what `make run` needs into .venv (done again only when a lock changes)
	@echo "Ready: $(VENV) holds what the locks say."

setup-dev: $(DEV_STAMP) ## Install what the tests and linters need, too
	@echo "Ready: $(VENV) holds what the locks say, tests and linters included."

$(UV_STAMP):
	@$(begin); echo "[1/4] A virtual environment in $(VENV), and the installer"; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }; \
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); \
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt && \
	$(call stamp,uv,$@)

$(TORCH_STAMP): $(UV_STAMP)
	@$(begin); echo "[2/4] torch, by itself (the largest part: some 200 MB and more)"; \
	$(BIN)/python -m pip install -r requirements/torch.txt && $(call stamp,torch,$@)

$(WORKER_STAMP): $(TORCH_STAMP)
	@$(begin); echo "[3/4] The workers' and the front door's packages"; \
	$(call install,worker) && $(call stamp,worker,$@)

# After the workers' packages, never beside them: two installers in one environment collide.
$(DEV_STAMP): $(WORKER_STAMP)
	@$(begin); echo "[4/4] Test tools and linters"; $(call install,dev) && $(call stamp,dev,$@)

run: $(WORKER_STAMP) ## Run all of Turnpike on this machine, with no key and no server (PORT=8000)
	@$(BIN)/python -m deploy.local $(ARGS)

demo: $(WORKER_STAMP) ## Start it, send a turn, a document, a report and an e-mail through, and stop
	@$(BIN)/python -m deploy.local.demo $(ARGS)

# What has to hold on both databases: SQLite in the first pass, PostgreSQL in the second.
ON_POSTGRES := tests/integration tests/unit/pipelines tests/unit/workers/test_base.py

test: $(DEV_STAMP) ## Run the tests (ARGS="-k chat -x"); says which services it could not reach
	@if url=$$($(BIN)/python -m tests.services postgres); then \
		DATABASE_URL="$$url" $(BIN)/python -m pytest $(ON_POSTGRES); \
	else echo "Skipped: the tests' second pass, since PostgreSQL cannot be reached."; fi
	@$(BIN)/python -m pytest $(ARGS)

test-long: $(DEV_STAMP) ## Run the acceptance tests of durability, which take about half an hour
	@$(BIN)/python -m pytest -m long tests/acceptance $(ARGS)

lint: $(DEV_STAMP) ## Check style, format, imports, missing migrations and doubled functions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@DJANGO_SETTINGS_MODULE=project.settings.test $(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python -m pytest --quiet tests/unit/test_house.py -k twice

types: $(DEV_STAMP) ## Check the types (mypy, strict)
	@$(BIN)/mypy

contracts: $(DEV_STAMP) ## Check the import contracts and the foreign HTTP contracts
	@$(BIN)/lint-imports
	@test ! -d tests/contracts || $(BIN)/python -m pytest tests/contracts $(ARGS)

lock: $(UV_STAMP) ## Write the locks anew from requirements/*.in (ARGS=--upgrade for newer versions)
	@$(BIN)/python requirements/lock.py $(ARGS)

lock-check: $(UV_STAMP) ## Fail when a lock is not what its .in file resolves to
	@$(BIN)/python requirements/lock.py --check

SPECTACULAR = DJANGO_SETTINGS_MODULE=project.settings.test $(BIN)/python manage.py spectacular \
	--validate --fail-on-warn --file

schema: $(DEV_STAMP) ## Write docs/openapi.yaml from the code
	@$(SPECTACULAR) docs/openapi.yaml

schema-check: $(DEV_STAMP) ## Fail when docs/openapi.yaml is not what the code says
	@fresh=$$(mktemp) && trap 'rm -f "$$fresh"' EXIT && $(SPECTACULAR) "$$fresh" && \
	{ diff -u docs/openapi.yaml "$$fresh" || { echo "Run 'make schema'." >&2; exit 1; }; }

bench: $(DEV_STAMP) ## Measure, all or one file (BENCH=bench_streams.py); wants a quiet machine
	@$(BIN)/python -m pytest -o python_files='bench_*.py' --capture=no tests/benchmarks/$(BENCH) $(ARGS)

chaos: $(DEV_STAMP) ## Kill and cut everything while clients work (SEEDS=50 SEED=17 BROKER=rabbitmq JOBS= BREAK=)
	@$(BIN)/python -m tests.acceptance.chaos $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(BROKER),--broker $(BROKER)) $(if $(JOBS),--jobs $(JOBS)) $(if $(BREAK),--broken $(BREAK)) $(ARGS)

clean: ## Remove caches and what was built, but neither .venv nor your data
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	@find . -path ./$(VENV) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
