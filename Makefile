# Terroir. `make demo` shows it, `make test` checks it, `make help` lists all.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Python compiles what it imports, and keeps it: else each of the tests' hundreds of processes would compile it all again.
unexport PYTHONDONTWRITEBYTECODE
# Compiling all that is installed takes half a minute more.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# The locks name everything that is needed, so nothing is left to resolve.
PIP_INSTALL_LOCK := $(PIP_INSTALL) --no-deps --require-hashes

.PHONY: help install demo test check format lock bench clean

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Terroir needs Python 3.11 or newer; set PYTHON=/path/to/python3.11."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP_INSTALL_LOCK) -r requirements.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-gpu: requirements-gpu.txt $(VENV)/.installed
	$(PIP_INSTALL) -r requirements-gpu.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(PIP_INSTALL_LOCK) -r requirements-dev.lock
	@touch $@

install: $(VENV)/.installed ## Make .venv with the locked dependencies and the `terroir` command

demo: install ## Start everything with real images and print three sign-in links
	@exec $(BIN)/terroir demo

.PHONY: demo-evaluation
demo-evaluation: $(VENV)/.installed-gpu ## The demo, with its classifier run live: installs torch first
	@exec $(BIN)/terroir demo --evaluate

test: $(VENV)/.installed-dev ## Run every check and every test
	@$(MAKE) --jobs=2 check $(VENV)/.installed-gpu browser
	@# Three workers on two cores: tests of servers and browsers mostly wait.
	$(BIN)/python -m pytest -n 3 --dist loadgroup -q $(COVERAGE)

.PHONY: test-thorough
test-thorough: ## The same with every seed of what is killed when, and a larger crowd: ten minutes more
	@THOROUGH=1 $(MAKE) test

.PHONY: coverage
coverage: ## The same, and which lines and branches no test reaches: twice as long
	@$(MAKE) test COVERAGE="--cov --cov-report=term:skip-covered"

VLLM := .venv-vllm
$(VLLM)/.installed: requirements-vllm.txt tests/vllm/torchvision_shim.py
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-vllm.txt
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@to=$$($(VLLM)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') && \
	cp tests/vllm/torchvision_shim.py "$$to" && echo 'import torchvision_shim' > "$$to/torchvision_shim.pth"
	@touch $@

.PHONY: test-vllm
test-vllm: $(VLLM)/.installed ## Try vLLM on this CPU, in an environment of its own (3 GB)
	$(VLLM)/bin/python -m pytest -q -W ignore tests/vllm

.PHONY: browser
browser: # A Chromium for the browser tests: Debian's where we may install it, else playwright's
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 || ls "$$HOME"/.cache/ms-playwright/chromium-* >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq chromium; \
	else $(BIN)/python -m playwright install chromium; fi

check: $(VENV)/.installed-dev ## Format, lint, types, layers, templates, spelling, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/codespell
	@TERROIR_HOME=$$(mktemp -d) && export TERROIR_HOME && $(BIN)/alembic -q upgrade head && $(BIN)/alembic -q check; \
	status=$$?; rm -rf "$$TERROIR_HOME"; exit $$status

format: $(VENV)/.installed-dev ## Format the code and mend what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.installed-dev ## Renew the lock files from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-header --no-annotate --quiet -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-header --no-annotate --quiet -c requirements.lock -o requirements-dev.lock

bench: $(VENV)/.installed-dev ## Measure; see bench/README.md
	$(BIN)/python -m bench

clean: ## Remove what was installed; your data under var/ stays
	rm -rf $(VENV) $(VLLM) .pytest_cache .mypy_cache .ruff_cache .coverage*
