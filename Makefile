# Targets with a text after ## are shown by `make help`.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
# With a Docker engine: the machine's own when it answers, else a private one that ends with the command.
WITH_ENGINE := $(PYTHON) tools/engine.py run --
PYTEST_ARGS ?= -n 2 --dist loadgroup
RUFF_PATHS := .

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what is missing and start a Docker engine if none answers
	@tools/setup.sh
	@$(PYTHON) tools/engine.py up

.PHONY: demo
demo: ## Deploys, a refused and a reverted release, a rollback and healing, under load (ARGS=--keep)
	@tools/setup.sh demo
	@$(if $(findstring --keep,$(ARGS)),$(PYTHON) tools/engine.py up >/dev/null && DOCKER_HOST=$$($(PYTHON) tools/engine.py url),$(WITH_ENGINE)) $(PYTHON) -m tools.demo $(ARGS)

.PHONY: test
test: ## Lint and run every test, on a real Docker engine
	@tools/setup.sh
	@$(MAKE) --no-print-directory lint
	@$(WITH_ENGINE) $(PYTHON) -m pytest $(PYTEST_ARGS) -m 'not fleet' $(ARGS)

.PHONY: fleet
fleet: ## Deploys to several machines (in namespaces) that die, hang and lose their connections; needs root
	@tools/setup.sh
	@$(WITH_ENGINE) $(PYTHON) -m pytest tests/fleet $(ARGS)

# Tests that start nothing but Python: no engine, no proxy, no Debian tool, no browser.
ALONE := not engine and not proxy and not private_engine and not browser and not tools

.PHONY: unit
unit: ## The pure parts and the services on fakes: no engine, about 35 seconds on two cores
	@tools/setup.sh python
	@$(PYTHON) -m pytest -q -n 2 --dist worksteal tests/unit $(ARGS)

.PHONY: quick
quick: ## Lint and every test that needs no engine, no proxy and no Debian tool
	@tools/setup.sh python
	@$(MAKE) --no-print-directory lint
	@$(PYTHON) -m pytest -q -n 2 -m '$(ALONE)' $(ARGS)

.PHONY: fix
fix: ## Put imports and formatting right
	@tools/setup.sh python
	@$(PYTHON) -m ruff check --fix $(RUFF_PATHS)
	@$(PYTHON) -m ruff format $(RUFF_PATHS)

.PHONY: coverage
coverage: ## Lines of services/deploy and services/watchdog that tests without an engine reach
	@tools/setup.sh python
	@$(PYTHON) -m pytest -q -p no:cacheprovider --cov=monitor/services/deploy --cov=monitor/services/watchdog \
		--cov-report=term-missing:skip-covered -m '$(ALONE)' tests/unit $(ARGS)

.PHONY: lint
lint: ## Style, types and the floors' order
	@$(PYTHON) -m ruff check $(RUFF_PATHS)
	@$(PYTHON) -m ruff format --check $(RUFF_PATHS)
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports

.PHONY: matrix
matrix: ## Docker 20.10, 26.1 and 28.5, HAProxy 2.6, 3.0 and 3.2, newer Pythons (one: ROWS=trixie)
	@tools/setup.sh matrix
	@$(PYTHON) tools/matrix.py $(ROWS)

.PHONY: bench
bench: ## Measure everything, or one: make bench BENCH=swap
	@tools/setup.sh
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes -r bench/requirements.txt
	@$(WITH_ENGINE) $(PYTHON) -m bench $(BENCH)

.PHONY: fuzz
fuzz: ## Throw generated lines at the log parsers for five minutes (SECONDS=300)
	@tools/setup.sh
	@$(PYTHON) -m tools.fuzz $(or $(SECONDS),300)

.PHONY: soak
soak: ## Kill services under a real daemon for two hours, its memory sampled every minute (MINUTES=120)
	@tools/setup.sh
	@$(WITH_ENGINE) $(PYTHON) -m tools.soak --minutes $(or $(MINUTES),120)

.PHONY: sweep
sweep: ## End a deploy on fakes at every single call it makes, by an error and by its death (make unit takes some)
	@tools/setup.sh python
	@BGMON_SWEEP=all $(PYTHON) -m pytest -q -n 2 tests/unit/services/deploy/test_every_step.py $(ARGS)

.PHONY: golden
golden: ## Write the generated files that tests compare with anew
	@UPDATE_GOLDEN=1 $(PYTHON) -m pytest -q tests/generate

.PHONY: lock
lock: ## Pin the newest versions of all Python packages in requirements.lock
	@$(PYTHON) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-strip-extras \
		--no-emit-index-url --no-header --upgrade --quiet --output-file requirements.lock
	@$(PYTHON) -m uv pip compile pyproject.toml --constraint requirements.lock --python-platform linux --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-emit-index-url --no-header --no-annotate --quiet --output-file monitor/requirements.lock

.PHONY: clean
clean: ## Stop the private engine and remove everything that was built or installed here
	@tools/engine.py down --purge
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
