# The only door: people and CI call these targets. Each sets everything up by itself (scripts/setup.sh).

.DEFAULT_GOAL := help
BIN := .venv/bin
ARGS ?=
# A service that runs already; without it the trials bring the embedded stack along.
TARGET ?=
CERTIFY = $(BIN)/stormproof certify
ON_TARGET = $(if $(TARGET),--target $(TARGET))

# Settings of other Python environments must not leak into this one.
unexport PYTHONHOME
unexport PYTHONPATH

.PHONY: help
help: ## Print this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  ARGS passes options on:   make certify ARGS="--seed 7"      make test ARGS="-k ledger"'
	@echo '  TARGET names a Sanctum that runs already:   make test-load TARGET=http://127.0.0.1:8000'
	@echo '  make turns every failure into exit 2. For the exit codes themselves (0 PASS, 1 FAIL,'
	@echo '  2 INCONCLUSIVE, 64 bad input, 69 environment, 70 our own fault, 130 interrupted) call'
	@echo '  .venv/bin/stormproof certify'

.PHONY: setup
setup: ## Make or refresh ./.venv; every other target does so by itself
	@sh scripts/setup.sh

.PHONY: certify
certify: setup ## Certify the embedded reference stack: load, faults, one verdict
	@$(CERTIFY) $(ARGS)

.PHONY: test-load
test-load: setup ## Quick normal run: 10 readers for a minute, on the embedded stack or TARGET
	@$(CERTIFY) feed_load $(ON_TARGET) $(ARGS)

.PHONY: test-stress-http
test-stress-http: setup ## HTTP stress: five minutes, up to 120 visitors
	@$(CERTIFY) http_stress $(ON_TARGET) $(ARGS)

.PHONY: test-stress-ws
test-stress-ws: setup ## WebSocket stress: five minutes, up to 200 held sockets
	@$(CERTIFY) websocket_stress $(ON_TARGET) $(ARGS)

.PHONY: test-soak
test-soak: setup ## Soak: two hours at moderate load
	@$(CERTIFY) soak --profile moderate $(ON_TARGET) $(ARGS)

.PHONY: test-faults
test-faults: setup ## Fault drills: cache and service restarted, database paused, three minutes
	@scripts/fault-injection.sh $(ARGS)

.PHONY: test
test: lint ## Check format, lint, types and imports, then run all tests but e2e and browser, with coverage
	@sh scripts/test.sh $(ARGS)

.PHONY: e2e
e2e: setup ## Run the command line end to end, kills included, and the page in a real browser
	@$(BIN)/python -m pytest tests/e2e tests/browser $(ARGS)

.PHONY: bench
bench: setup ## Measure against named peers and write bench/RESULTS.md (about an hour; installs Debian's wrk, nginx, hey)
	@sh scripts/bench-peers.sh
	@$(BIN)/python -m bench $(ARGS)

.PHONY: lint
lint: setup ## Check format, lint, types and import directions
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: setup ## Format the code and mend what lint can mend by itself
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

.PHONY: lock
lock: ## Pin anew what pyproject.toml asks for (needs uv; ARGS=--upgrade for the newest)
	@sh scripts/lock.sh $(ARGS)

.PHONY: clean
clean: ## Remove what tools and tests leave; keeps ./.venv and ./runs
	@rm -rf .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist
	@find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
