# The README's commands. `make` alone lists them.
SHELL := bash
BIN := .venv/bin
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-interop check bench format clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: ## Measure a real model on every target of this machine and open the evidence
	@scripts/setup demo
	@examples/demo.sh

test: ## Run the tests
	@scripts/setup dev
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile
	scripts/node npm sdk test --silent
	scripts/node npm sdk run test:browsers --silent

test-interop: ## Run the tests beside other implementations alone
	@scripts/setup dev
	$(BIN)/python -m pytest tests/interop

test-slow: ## Run the longer proofs too
	@scripts/setup dev
	$(BIN)/python -m pytest

check: ## Formatting, lint, types, layers
	@scripts/setup dev
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/pyright --warnings
	$(BIN)/lint-imports
	scripts/node npm sdk run check --silent

bench: ## Every side-by-side measurement of benchmarks/, one table each
	@scripts/setup dev
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

format: ## Rewrite the code in the house format
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

clean: ## Delete what the commands made (not the caches in your home)
	rm -rf .venv out build dist sdk/node_modules tests/interop/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
