# Counterfault: `make report` and `make test` are all a newcomer needs; both set everything up.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help report test test-slow lab site screenshots lint format lock demo error-rates publish-error-rates benchmark clean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1@\2/' | column -t -s @

report: $(STAMP)  ## Set up, run the notebooks on the demo organisation and write its report
	@$(BIN)/counterfault run

test: $(STAMP)  ## Set up and run the tests (under 10 minutes on 2 cores)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" tests

test-slow: $(STAMP)  ## The tests that take minutes
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m slow tests

lab: $(STAMP)  ## Set up and open JupyterLab on the notebooks
	@$(BIN)/counterfault lab

lint: $(STAMP)  ## ruff (check and format) and mypy --strict on lib/
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP)  ## Put every file into the house format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

site: $(STAMP)  ## Publish what lies in reports/ as a static site in site/
	@$(BIN)/counterfault publish reports --out site

screenshots: $(STAMP)  ## Make the README's pictures again, from reports/demo (needs chromium)
	@$(BIN)/python docs/screenshots.py reports/demo

error-rates: $(STAMP)  ## Measure how often the verdict is wrong: 300 organisations per world (an hour on 2 cores)
	@$(BIN)/counterfault validate --runs 300 --out reports/error_rates

publish-error-rates: $(STAMP)  ## The same with 2,000, as docs/validation.html holds it (an afternoon on 2 cores)
	@$(BIN)/counterfault validate --runs 2000 --out docs

demo: $(STAMP)  ## Make the demo organisation again, byte for byte
	@$(BIN)/counterfault simulate --world demo --out data/demo

benchmark: $(STAMP)  ## Speed beside a peer in the same run
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

lock:  ## Compile requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock

clean:  ## Remove the environment and what runs wrote
	rm -rf $(VENV) site reports/demo reports/demo.failed .pytest_cache .mypy_cache .ruff_cache

# Exact versions with hashes, by uv where it is there and by pip where not; nothing is built against the network.
$(STAMP): requirements.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
		echo "Setting up $(VENV) with uv …" && \
		uv venv --quiet --allow-existing --python "$$(command -v $(PYTHON))" $(VENV) && \
		VIRTUAL_ENV=$(VENV) uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock && \
		VIRTUAL_ENV=$(VENV) uv pip install --quiet --no-deps --no-build-isolation --editable . ; \
	else \
		echo "Setting up $(VENV) with venv and pip (a few minutes the first time) …" && \
		$(PYTHON) -m venv $(VENV) && \
		$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
		$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . ; \
	fi
	@$(BIN)/python -c "import sys; assert sys.version_info >= (3, 11), 'Counterfault needs Python 3.11 or newer'"
	@touch $(STAMP)
